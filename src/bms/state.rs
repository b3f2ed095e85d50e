//! What a server's reported status, task and power state mean (design §2).
//!
//! Owns the one pure table from the cloud's words to a state class. Invariant: only SHUTOFF without a
//! task and with power state 4 or none counts as off; whatever the table does not know is busy.

use crate::power::StateClass;

/// The fields of a server's answer that decide its state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vitals<'a> {
    /// `status`.
    pub status: &'a str,
    /// `OS-EXT-STS:task_state`; absent, null and empty mean idle.
    pub task: Option<&'a str>,
    /// `OS-EXT-STS:power_state`.
    pub power: Option<i64>,
    /// `locked`.
    pub locked: bool,
}

/// The state class of these vitals.
pub fn classify(vitals: Vitals<'_>) -> StateClass {
    let task = vitals.task.filter(|task| !task.is_empty());
    match (vitals.status, task, vitals.power) {
        ("DELETED", _, _) => StateClass::Gone,
        (_, Some("powering-off"), _) => StateClass::Stopping,
        ("ERROR", _, _) => StateClass::Error,
        (_, Some("powering-on"), _) => StateClass::Starting,
        ("SHUTOFF", None, None | Some(4)) => StateClass::Off,
        ("ACTIVE", None, None | Some(1)) if vitals.locked => StateClass::Locked,
        ("ACTIVE", None, None | Some(1)) => StateClass::On,
        _ => StateClass::Busy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("ACTIVE", None, Some(1), false, StateClass::On)]
    #[case("ACTIVE", Some(""), None, false, StateClass::On)]
    #[case("ACTIVE", None, Some(1), true, StateClass::Locked)]
    #[case("ACTIVE", None, Some(4), false, StateClass::Busy)]
    #[case("ACTIVE", None, Some(0), false, StateClass::Busy)]
    #[case("ACTIVE", Some("powering-off"), Some(1), true, StateClass::Stopping)]
    #[case("SHUTOFF", Some("powering-off"), Some(4), false, StateClass::Stopping)]
    #[case("SHUTOFF", None, Some(4), false, StateClass::Off)]
    #[case("SHUTOFF", None, None, true, StateClass::Off)]
    #[case("SHUTOFF", None, Some(1), false, StateClass::Busy)]
    #[case("SHUTOFF", Some("powering-on"), Some(4), false, StateClass::Starting)]
    #[case("ACTIVE", Some("powering-on"), Some(1), true, StateClass::Starting)]
    #[case("ERROR", Some("powering-on"), Some(0), false, StateClass::Error)]
    #[case("SHUTOFF", Some("rebuilding"), None, false, StateClass::Busy)]
    #[case("REBOOT", Some("rebooting"), Some(1), false, StateClass::Busy)]
    #[case("HARD_REBOOT", None, Some(1), false, StateClass::Busy)]
    #[case("BUILD", Some("scheduling"), Some(0), false, StateClass::Busy)]
    #[case("ERROR", None, Some(0), false, StateClass::Error)]
    #[case("ERROR", Some("deleting"), None, true, StateClass::Error)]
    #[case("DELETED", None, None, false, StateClass::Gone)]
    #[case("active", None, Some(1), false, StateClass::Busy)]
    #[case("", None, None, false, StateClass::Busy)]
    fn each_row_of_the_table(
        #[case] status: &str,
        #[case] task: Option<&str>,
        #[case] power: Option<i64>,
        #[case] locked: bool,
        #[case] expected: StateClass,
    ) {
        assert_eq!(
            classify(Vitals {
                status,
                task,
                power,
                locked
            }),
            expected
        );
    }
}
