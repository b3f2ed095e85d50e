//! What a plan says of its time, against the time that a rehearsal of it takes.
//!
//! Owns ten workflows whose pace is set by different things. Invariant: a rehearsal takes no less than the plan
//! says, and at most a tenth more.

use jiff::Timestamp;
use lightsout::ids::ServerId;

use crate::scenario::{Scenario, ids_from};

/// Time passes so many times as fast: slow enough that what this machine does counts for little.
const PACE: u32 = 5;

/// A workflow by the sizes of its groups, what each group says itself, and its settings.
struct Case {
    name: &'static str,
    groups: &'static [(u32, &'static str)],
    settings: &'static str,
}

const CASES: [Case; 10] = [
    Case {
        name: "one batch",
        groups: &[(5, "")],
        settings: "",
    },
    Case {
        name: "five batches, one after another",
        groups: &[(50, "")],
        settings: "rollout: { batch_size: 10 }",
    },
    Case {
        name: "two in flight, asked after every 5 s",
        groups: &[(60, "")],
        settings: "rollout: { batch_size: 10, in_flight: 2 }\njobs: { poll: 5s }",
    },
    Case {
        name: "four in flight, no checks",
        groups: &[(16, "")],
        settings: "rollout: { batch_size: 2, in_flight: 4 }\nchecks: { before: false, after: false }",
    },
    Case {
        name: "a canary, 10 % and the rest, with pauses",
        groups: &[(40, "")],
        settings: "rollout: { waves: [1, 10%, rest], soak: 30s }",
    },
    Case {
        name: "two groups with waves and pauses of their own",
        groups: &[
            (6, "waves: [2, rest], soak: 25s"),
            (9, "waves: [3, 3, rest], in_flight: 2, batch_size: 2"),
        ],
        settings: "rollout: { soak: 5s }",
    },
    Case {
        name: "two requests a minute",
        groups: &[(10, "")],
        settings: "rollout: { batch_size: 2, in_flight: 4 }\nrate: { stop: 2 }",
    },
    Case {
        name: "four waves, asked after every 3 s",
        groups: &[(7, "")],
        settings: "rollout: { waves: [1, 1, 1] }\njobs: { poll: 3s }",
    },
    Case {
        name: "three in flight, three requests a minute, checked after",
        groups: &[(14, "")],
        settings: "rollout: { batch_size: 2, in_flight: 3 }\nrate: { stop: 3 }\nchecks: { before: false }",
    },
    Case {
        name: "three groups, pauses between, asked after every 15 s",
        groups: &[(4, "in_flight: 2, batch_size: 1"), (1, ""), (3, "soak: 1m")],
        settings: "rollout: { soak: 20s }\njobs: { poll: 15s }\nchecks: { after: false }",
    },
];

impl Case {
    fn scenario(&self) -> Scenario {
        let mut first = 1;
        let mut text = "groups:\n".to_owned();
        for (number, (count, own)) in self.groups.iter().enumerate() {
            let servers: Vec<String> = ids_from(first, *count)
                .iter()
                .map(ServerId::to_string)
                .collect();
            first += count;
            let own = if own.is_empty() {
                String::new()
            } else {
                format!(", {own}")
            };
            text += &format!(
                "  - {{ name: g{number}, servers: [{}]{own} }}\n",
                servers.join(", ")
            );
        }
        Scenario::offline(&text).with(self.settings)
    }

    /// Seconds that the plan says, and those that the rehearsal took.
    fn play(&self) -> (f64, f64) {
        let stage = self.scenario().start();
        let plan = stage.run("plan night.yaml").with_code(0).out;
        let told = plan
            .lines()
            .find_map(|line| line.strip_prefix("time     at least "));
        let told = told.unwrap().split(',').next().unwrap();
        let told = lightsout::duration::parse(told).unwrap().as_secs_f64();
        let mut rehearsal = stage.command("rehearse night.yaml --quiet");
        rehearsal.env("LIGHTSOUT_CLOCK", format!("compressed:{PACE}"));
        let ended = stage.ended(rehearsal.output().unwrap()).with_code(0);
        let at = |name: &str| ended.report()[name].as_str().unwrap().parse::<Timestamp>();
        let took = at("finished_at")
            .unwrap()
            .duration_since(at("started_at").unwrap());
        (told, took.as_secs_f64())
    }
}

#[test]
fn a_rehearsal_takes_the_time_that_the_plan_says() {
    let times: Vec<(f64, f64)> = std::thread::scope(|scope| {
        let players: Vec<_> = CASES
            .iter()
            .map(|case| scope.spawn(|| case.play()))
            .collect();
        players
            .into_iter()
            .map(|player| player.join().unwrap())
            .collect()
    });
    println!(
        "{:>9} {:>11} {:>6}  workflow",
        "plan says", "rehearsal", "more"
    );
    for (case, (told, took)) in CASES.iter().zip(&times) {
        let more = (took / told - 1.0) * 100.0;
        println!("{told:>7.0} s {took:>9.1} s {more:>5.1}%  {}", case.name);
    }
    for (case, (told, took)) in CASES.iter().zip(&times) {
        assert!(*took >= told * 0.99, "{}: {took} s of {told} s", case.name);
        assert!(*took <= told * 1.1, "{}: {took} s of {told} s", case.name);
    }
}
