# What people type often. `just ci` is what the pipeline runs.

# Everything that must hold before a change lands.
ci:
    .ci/run

# The tests, as the README has them.
test:
    cargo test

# Accept changed snapshots after reading them.
snapshots:
    INSTA_UPDATE=always cargo test

# The numbers of the README's table, on a release build.
bench:
    benches/run

# A thousand storms; `LIGHTSOUT_STORM_FIRST=417 LIGHTSOUT_STORM=1 just storm` plays one again.
storm:
    LIGHTSOUT_STORM="${LIGHTSOUT_STORM:-1000}" cargo test --test storm -- --nocapture
