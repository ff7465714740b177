//! How much memory a call has in use at its worst.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// Bytes in use by this thread, and the most of it since `peak_of` looked. Signed, since a thread may
    /// free what another allocated.
    static IN_USE: Cell<(isize, isize)> = const { Cell::new((0, 0)) };
}

/// The most bytes that `call` had in use at once, beyond what was in use before.
pub(crate) fn peak_of<T>(call: impl FnOnce() -> T) -> (T, usize) {
    let before = IN_USE.with(|cell| {
        let (now, _) = cell.get();
        cell.set((now, now));
        now
    });
    let result = call();
    let (_, peak) = IN_USE.get();
    (result, usize::try_from(peak - before).unwrap_or_default())
}

fn count(bytes: isize) {
    // A thread that ends has no counter any more, and nobody asks.
    let _ = IN_USE.try_with(|cell| {
        let (now, peak) = cell.get();
        cell.set((now + bytes, peak.max(now + bytes)));
    });
}

#[expect(unsafe_code, reason = "an allocator is unsafe to implement; this one only counts")]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}
