//! Reading one row of an answer, of which any part may be odd.
//!
//! Owns the walk over the row's members. Which members are read is decided by the caller. Invariant: a row is
//! never an error. A row that is no object reads as one without any member.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The members of a row that are read.
pub(super) trait Members<'a>: Default {
    /// Which of the members a key names.
    type Key: Deserialize<'a>;

    /// Takes in the value of the member whose key was just read; called again if the row has it again.
    fn take<A: MapAccess<'a>>(&mut self, key: Self::Key, row: &mut A) -> Result<(), A::Error>;
}

/// What was read of one row.
pub(super) struct Row<M>(pub(super) M);

impl<'de, M: Members<'de>> Deserialize<'de> for Row<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(RowVisitor(PhantomData))
            .map(Self)
    }
}

struct RowVisitor<M>(PhantomData<M>);

impl<'de, M: Members<'de>> Visitor<'de> for RowVisitor<M> {
    type Value = M;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut row: A) -> Result<M, A::Error> {
        let mut members = M::default();
        while let Some(key) = row.next_key()? {
            members.take(key, &mut row)?;
        }
        Ok(members)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<M, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(M::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<M, E> {
        Ok(M::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<M, E> {
        Ok(M::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<M, E> {
        Ok(M::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<M, E> {
        Ok(M::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<M, E> {
        Ok(M::default())
    }

    fn visit_unit<E>(self) -> Result<M, E> {
        Ok(M::default())
    }
}
