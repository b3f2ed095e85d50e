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
