//! A plan as text for people, on a terminal of 80 columns or in a file.
//!
//! Owns the layout. Meaning is carried by words, never by colour. Invariant: text from outside is
//! escaped, so a name can neither move the cursor nor begin a line.

use std::fmt::Write;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, presets};

use super::exposure::{self, Risk};
use super::judgement::{Breach, Judgement, Ruling};
use super::model::Plan;
use super::schedule;
use super::words::{
    GroupView, ONE_MORE_REQUEST, counted, finding, gates, least_time, paths, pause, settings,
};
use crate::ids::ServerId;
use crate::power::Action;
use crate::untrusted::{for_terminal, shorten};

/// Columns that a table may take.
const WIDTH: u16 = 80;
/// Most waves that are shown.
const WAVES: usize = 500;
/// Longest server name that is shown.
const NAME: usize = 40;
/// Where the servers' IDs stand among the ends of groups.
const ID_COLUMN: usize = 2;

/// The commands that can follow a plan, as they can be pasted into a shell.
#[derive(Debug, Clone)]
pub struct NextCommands {
    /// Rehearses the same; `None` if only the plan is known, and not its workflow.
    pub rehearse: Option<String>,
    /// Runs the same.
    pub run: String,
}

/// The plan for people: what is stopped, in which order, under which limits, and what to do next.
pub fn to_text(plan: &Plan, judgement: &Judgement, commands: &NextCommands) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_text(&mut text, plan, (judgement, commands));
    text
}

fn write_text(
    out: &mut String,
    plan: &Plan,
    (judgement, commands): (&Judgement, &NextCommands),
) -> std::fmt::Result {
    head(out, plan)?;
    groups(out, plan)?;
    waves(out, plan)?;
    selections(out, plan)?;
    ends(out, plan)?;
    guards(out, judgement)?;
    writeln!(out, "\nsettings")?;
    for (name, value) in settings(plan) {
        writeln!(out, "  {name:<20}  {value}")?;
    }
    for (name, path) in paths(plan) {
        writeln!(out, "  {name:<20}  {}", for_terminal(&path))?;
    }
    for (name, gate) in gates(plan) {
        writeln!(out, "  {:<20}  {gate}", for_terminal(&name))?;
    }
    if !plan.warnings.is_empty() {
        writeln!(out, "\nwarnings")?;
    }
    for warning in &plan.warnings {
        let (code, message) = (for_terminal(&warning.code), for_terminal(&warning.message));
        wrapped(out, &format!("{code}: {message}"))?;
    }
    writeln!(out, "\n{}", next(plan, judgement, commands))
}

fn head(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let summary = &plan.workflow;
    let (name, file) = (for_terminal(&summary.name), for_terminal(&summary.file));
    writeln!(out, "plan of {name} ({file}): nothing has been sent")?;
    if let Some(description) = &summary.description {
        writeln!(out, "{}", for_terminal(description))?;
    }
    writeln!(out, "\nproject  {}", plan.project.id)?;
    if let Some(region) = &plan.project.region {
        writeln!(out, "region   {}", for_terminal(region))?;
    }
    writeln!(out, "endpoint {}", plan.project.endpoint)?;
    match plan.action {
        Action::Stop(stop_type) => writeln!(out, "stop     {}", stop_type.as_str())?,
        Action::Start => writeln!(out, "start    servers that a run has stopped")?,
    }
    for (key, value) in &plan.labels {
        writeln!(
            out,
            "label    {}: {}",
            for_terminal(key),
            for_terminal(value)
        )?;
    }
    let groups = counted(plan.groups.len(), "group");
    let batches = counted(plan.batches.len(), "batch");
    let targets = counted(plan.target_count(), "server");
    writeln!(out, "targets  {targets} in {groups}, {batches}")?;
    if !plan.batches.is_empty() {
        let requests = plan.batches.len();
        writeln!(out, "requests {requests}; {ONE_MORE_REQUEST}")?;
        writeln!(out, "time     {}", least_time(&schedule::of(plan)))?;
    }
    writeln!(out, "digest   {}", plan.digest)
}

fn groups(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let mut table = table([
        "group",
        "targets",
        "excluded",
        "batches",
        "sizes",
        "in flight",
        "from",
    ]);
    for column in [1, 2, 3, 5] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for view in GroupView::all(plan) {
        let group = view.group;
        // What is selected has a place of its own below.
        let brief = |from: &str| match from.starts_with("select ") {
            true => "select".to_owned(),
            false => for_terminal(from).into_owned(),
        };
        let source: Vec<_> = group.source.iter().map(|from| brief(from)).collect();
        table.add_row([
            for_terminal(&group.name).into_owned(),
            group.targets.to_string(),
            group.excluded.to_string(),
            view.batches.len().to_string(),
            view.sizes(),
            group.in_flight.get().to_string(),
            source.join(", "),
        ]);
    }
    writeln!(out, "\n{}", table.trim_fmt())
}

/// What each wave is, and how far a run goes in which it fails.
fn waves(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let views = exposure::waves(plan);
    if plan.batches.is_empty() {
        return Ok(());
    }
    let mut table = table([
        "group",
        "wave",
        "servers",
        "batches",
        "failures borne",
        "hit if all fail",
        "then waits",
    ]);
    for column in 1..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for view in views.iter().take(WAVES) {
        let risk = |number: fn(&Risk) -> u32| {
            let risk = view.risk.as_ref();
            risk.map_or_else(|| "no limit".to_owned(), |risk| number(risk).to_string())
        };
        table.add_row([
            for_terminal(&plan.groups[view.group].name).into_owned(),
            (view.wave + 1).to_string(),
            view.servers.to_string(),
            view.batches.len().to_string(),
            risk(|risk| risk.borne),
            risk(|risk| risk.hit),
            pause(view.soak),
        ]);
    }
    writeln!(out, "\n{}", table.trim_fmt())?;
    match views.len().checked_sub(WAVES) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(out, "… and {}", counted(more, "more wave")),
    }
}

/// What groups asked of the project's listing.
fn selections(out: &mut String, plan: &Plan) -> std::fmt::Result {
    if !plan.selections.is_empty() {
        writeln!(out, "\nfrom the project's listing")?;
    }
    for selection in &plan.selections {
        let group = for_terminal(&selection.asked.group);
        writeln!(out, "  {group}: {}", for_terminal(&finding(selection)))?;
    }
    Ok(())
}

/// The first and the last server of each group, in sending order.
fn ends(out: &mut String, plan: &Plan) -> std::fmt::Result {
    let mut table = table(["group", "", "server", "name"]);
    for view in GroupView::all(plan) {
        let group = for_terminal(&view.group.name);
        let ends = [("first", view.first()), ("last", view.last())];
        for (end, server) in ends {
            if let Some(server) = server {
                table.add_row([&group, end, &server.to_string(), &name_of(plan, server)]);
            }
        }
    }
    if table.row_count() == 0 {
        return Ok(());
    }
    // An ID that is broken into two lines can be neither searched for nor copied.
    if let Some(column) = table.column_mut(ID_COLUMN) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
    writeln!(out, "\n{}", table.trim_fmt())
}

fn name_of(plan: &Plan, server: ServerId) -> String {
    let name = plan.name_of(server).unwrap_or_default();
    for_terminal(&shorten(name, NAME)).into_owned()
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn guards(out: &mut String, judgement: &Judgement) -> std::fmt::Result {
    for own in judgement
        .rulings
        .chunk_by(|one, next| one.policy == next.policy)
    {
        match own.first().and_then(|ruling| ruling.policy.as_ref()) {
            Some(policy) => writeln!(out, "\npolicy {}", for_terminal(policy))?,
            None => writeln!(out, "\nguards")?,
        }
        own.iter().try_for_each(|ruling| line(out, ruling))?;
    }
    if judgement.is_breached() {
        writeln!(out, "\nBREACHED")?;
    }
    let lines = judgement.breaches.iter().flat_map(Breach::lines);
    lines
        .map(|line| for_terminal(&line).into_owned())
        .try_for_each(|line| writeln!(out, "  {line}"))
}

fn line(out: &mut String, ruling: &Ruling) -> std::fmt::Result {
    let (name, word) = (for_terminal(&ruling.name), ruling.word());
    match ruling.measure() {
        measure if measure.is_empty() => writeln!(out, "  {name:<18}  {word}"),
        measure => writeln!(out, "  {name:<18}  {measure}: {word}"),
    }
}

/// A long sentence in lines that fit, broken between words.
fn wrapped(out: &mut String, sentence: &str) -> std::fmt::Result {
    let width = usize::from(WIDTH) - 4;
    let mut line = String::new();
    let mut indent = "  ";
    for word in sentence.split(' ') {
        let long = line.chars().count() + 1 + word.chars().count() > width;
        if long && !line.is_empty() {
            writeln!(out, "{indent}{line}")?;
            line.clear();
            indent = "    ";
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(out, "{indent}{line}")
}

fn next(plan: &Plan, judgement: &Judgement, commands: &NextCommands) -> String {
    if judgement.is_breached() {
        "next: a run would refuse this plan; see what is BREACHED".to_owned()
    } else if plan.batches.is_empty() {
        "next: nothing; the plan has no targets".to_owned()
    } else if plan.action == Action::Start {
        "next: the same without `--dry-run` gives the power back".to_owned()
    } else {
        let rehearse = commands.rehearse.as_ref();
        let rehearse = rehearse.map_or_else(String::new, |command| {
            format!("`{}` tries it out,\n      ", for_terminal(command))
        });
        let run = for_terminal(&commands.run);
        format!("next: {rehearse}`{run}` cuts the power")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::Targets;
    use crate::plan::make::expand;
    use crate::plan::sample::{self, group, server};

    fn shown(plan: &Plan) -> String {
        to_text(plan, &Judgement::of(plan), &sample::commands())
    }

    #[test]
    fn a_plan_reads_well_in_80_columns() {
        let text = shown(&sample::fleet());
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?}\n{text}");
        assert_snapshot!(text);
    }

    #[test]
    fn what_a_window_says_is_told_among_the_settings() {
        let mut workflow = sample::workflow();
        workflow.window = Some(sample::window());
        let text = shown(&sample::plan_of(&workflow, vec![group("a", 0, 3)]));
        let rows = text.lines().filter(|line| line.contains("  window."));
        let rows: Vec<&str> = rows.collect();
        assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn what_groups_select_is_told_with_what_it_found() {
        let workflow = sample::workflow();
        let text = shown(&sample::selecting(&workflow, vec![group("a", 0, 3)]));
        let line = "  a: select name=web-* tag:rack=b7 found 3 servers\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_breach_is_told_in_words_and_nothing_is_hidden() {
        let mut workflow = sample::workflow();
        workflow.guards.max_servers = 2;
        let text = shown(&sample::plan_of(&workflow, vec![group("a", 0, 3)]));
        assert!(text.contains("3 of at most 2: BREACHED"), "{text}");
        assert!(text.contains("next: a run would refuse this plan"));
        assert!(text.contains(&server(0).to_string()) && text.contains(&server(2).to_string()));
    }

    #[test]
    fn a_plan_without_targets_says_so() {
        let text = shown(&sample::plan(vec![group("a", 0, 0)]));
        assert!(text.contains("0 servers in 1 group, 0 batches"), "{text}");
        assert!(text.contains("the plan has no targets"));
    }

    proptest! {
        #[test]
        fn text_from_outside_never_reaches_the_terminal_raw(hostile in "[\u{0}-\u{ff}\u{202a}-\u{202e}\u{2066}]{1,60}") {
            let mut workflow = sample::workflow();
            workflow.description = Some(hostile.clone());
            workflow.region = Some(hostile.clone());
            workflow.window = Some(sample::frozen_by(&hostile));
            workflow.labels = BTreeMap::from([(hostile.clone(), hostile.clone())]);
            let names = BTreeMap::from([(server(0), hostile)]);
            let plain = shown(&sample::plan(vec![group("a", 0, 2)]));
            let plan = expand(&workflow, Targets::for_tests(vec![group("a", 0, 2)], names), Vec::new());
            let text = shown(&plan);
            let head = |text: &str| text.lines().take_while(|line| !line.starts_with("group")).count();
            prop_assert_eq!(head(&text), head(&plain));
            let shown = text.replace('\n', "");
            prop_assert!(for_terminal(&shown) == shown.as_str());
        }
    }
}
