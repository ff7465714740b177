//! What is explored: each time something else is scarce. What needs more kinds of trouble at once than one set has,
//! more messages under way, or more steps than there is room for, is not seen here; the simulator goes there by chance.

use crate::bounds::Scarce::{
    Batch, Change, Crash, DiskFull, Duplicate, Heartbeat, LateWake, Read, SlowWrite, Snapshot,
    Tick, Transfer, Wipe, Write,
};
use crate::bounds::{Bounds, Start};

/// Small ones, each of which is seen as a whole within seconds.
pub(crate) fn small() -> Vec<Bounds> {
    let nothing = |terms| Bounds::new(Start::Nothing, terms);
    let leader = |terms| Bounds::new(Start::Leader, terms);
    let joint = |terms| Bounds::new(Start::Joint, terms).nodes(4);
    vec![
        nothing(1),
        leader(2).with(Write, 1),
        leader(2).with(Crash, 1),
        leader(2).with(Change, 1),
        leader(2).with(Transfer, 1),
        leader(1).with(Write, 3),
        leader(1).with(Write, 2).with(Heartbeat, 1),
        leader(1).with(Snapshot, 1).with(Write, 1).with(Crash, 1).with(Heartbeat, 1),
        leader(1).founders(2).with(Change, 1).with(Heartbeat, 2),
        leader(1).nodes(2).founders(1).with(Change, 1).with(Heartbeat, 2).with(SlowWrite, 1),
        joint(1).with(Crash, 1),
        leader(2).with(Tick, 1).with(Read, 1),
        leader(1).with(Wipe, 1).with(Heartbeat, 3),
    ]
}

/// Large ones. The first are seen as a whole, too.
pub(crate) fn large() -> Vec<Bounds> {
    let nothing = |terms| Bounds::new(Start::Nothing, terms);
    let leader = |terms| Bounds::new(Start::Leader, terms);
    let joint = |terms| Bounds::new(Start::Joint, terms).nodes(4);
    vec![
        leader(1).with(Write, 3).with(Heartbeat, 1),
        leader(2).with(Transfer, 1).with(Write, 1),
        leader(1).founders(2).with(Change, 1).with(Heartbeat, 3),
        joint(1).with(Heartbeat, 1).with(Crash, 1),
        nothing(2),
        leader(2).with(Write, 2),
        leader(2).with(Write, 3),
        leader(3).with(Write, 1),
        nothing(2).with(Crash, 1),
        leader(2).with(Crash, 2),
        leader(2).with(Write, 1).with(Crash, 1),
        leader(2).with(Write, 1).with(SlowWrite, 1).with(Crash, 1),
        leader(2).with(Write, 1).with(Change, 1),
        leader(2).with(Change, 1).with(Crash, 1),
        leader(2).founders(2).with(Change, 1).with(Heartbeat, 2),
        joint(2),
        leader(2).with(Transfer, 1).with(Heartbeat, 1),
        leader(2).with(Transfer, 1).with(Crash, 1),
        leader(2).with(Write, 1).with(Read, 1),
        leader(2).with(Read, 1).with(Heartbeat, 1),
        leader(2).with(Tick, 2).with(Read, 1),
        leader(2).with(Tick, 1).with(Read, 1).with(Transfer, 1),
        leader(2).with(Tick, 1).with(Read, 1).with(Crash, 1),
        leader(2).with(Tick, 2).with(Write, 1).with(Read, 1),
        leader(2).with(Write, 1).with(Heartbeat, 1),
        leader(2).with(Write, 1).with(Duplicate, 1),
        leader(2).with(Heartbeat, 1).link(2),
        leader(2).with(Write, 1).with(Snapshot, 1),
        leader(2).with(Write, 1).with(DiskFull, 2),
        leader(2).with(Write, 1).with(Batch, 1),
        leader(2).with(Write, 1).with(LateWake, 1),
        leader(2).with(Wipe, 1).with(Heartbeat, 2),
    ]
}
