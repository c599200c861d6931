//! Fork and replay: how an ordinary function becomes a control-flow graph.
//!
//! A program function runs once per path. Asking about a kernel value *forks*: this run gets the answer `true`, and a later run of the
//! same function gets `false`. A later run does the same steps up to its fork: they are looked up in the trace, not built again. Where
//! the macro marks a *join*, paths that differ in kernel values alone go on together: the first to arrive builds the continuation, the
//! others jump to it and end. Before one ends, it replays the continuation once and must do the very same steps (*shadow check*):
//! host state that differs between joined paths is an error, not wrong code.
//!
//! Words: a *run* is one call of the user's function; a run is *fresh* while it builds, *replaying* while it follows the trace,
//! *shadowing* while it checks a continuation, and *dead* once it has nothing left to say (its steps then do nothing).

mod error;
mod knowledge;
mod session;
mod statics;
mod trace;

use std::cell::RefCell;
use std::mem::ManuallyDrop;

use bpfasm_codegen::ir::{Cond, Entity, GlobalDecl, GlobalRef, Loc, MapDecl, MapRef, Op, Operand, StackSlot, Width};

pub use error::{Mismatch, Place, StageError, StageErrorKind};
pub use session::Scope;
pub(crate) use session::Session;
pub(crate) use session::{JoinAt, JoinKind};
use statics::Statics;
pub use statics::{Graph, StaticUse};

/// Bounds of one staging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many paths are explored at the most.
    pub paths: u32,
    /// How many operations a program may have (the kernel verifies at most a million).
    pub operations: u32,
    /// How many basic blocks a program may have.
    pub blocks: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { paths: 1 << 15, operations: 1 << 20, blocks: 1 << 17 }
    }
}

thread_local! {
    /// The staging under way. What has no destructor is reached without a look at whether the thread is ending; [`Restore`] empties it.
    static SESSION: RefCell<ManuallyDrop<Option<Box<Session>>>> = const { RefCell::new(ManuallyDrop::new(None)) };
}

/// Stages a function: runs `body` once per path and gives the graph, with the maps and global variables that it names.
///
/// # Errors
/// [`StageError`] where the program breaks a rule of staging, or panics.
pub fn stage(limits: Limits, loc: Loc, body: &mut dyn FnMut() -> Operand) -> Result<Graph, StageError> {
    let restore = Restore(exchange(Some(Box::new(Session::new(limits, loc)))));
    loop {
        let result = panics::catch(body);
        let more = with(|session| session.end_run(result, loc));
        if !more {
            break;
        }
    }
    let session = exchange(None);
    drop(restore);
    session.expect("the session that this call began").finish()
}

/// Puts a session in the place of this thread's.
fn exchange(session: Option<Box<Session>>) -> Option<Box<Session>> {
    ManuallyDrop::into_inner(SESSION.replace(ManuallyDrop::new(session)))
}

/// Puts the session back that was there before, however staging ends.
struct Restore(Option<Box<Session>>);

impl Drop for Restore {
    fn drop(&mut self) {
        drop(exchange(self.0.take()));
    }
}

/// Runs `f` on the session of this thread.
#[inline]
#[track_caller]
pub(crate) fn with<T>(f: impl FnOnce(&mut Session) -> T) -> T {
    let caller = Loc::from(core::panic::Location::caller());
    SESSION.with_borrow_mut(|session| match &mut **session {
        Some(session) => f(session),
        None => no_session(caller),
    })
}

#[cold]
fn no_session(caller: Loc) -> ! {
    panic!("a kernel value was used outside of a program, at {caller}")
}

/// Emits an operation and gives its result.
#[inline]
#[track_caller]
pub(crate) fn emit(op: Op) -> Operand {
    let loc = Loc::from(core::panic::Location::caller());
    with(|session| session.emit(&op, loc))
}

/// The number of the map whose static has this address; `declare` tells what it is, unless it has no name.
#[track_caller]
pub(crate) fn map(address: usize, declare: impl FnOnce() -> Option<MapDecl>) -> MapRef {
    MapRef::new(numbered(|statics, may_add| statics::number(&mut statics.maps, may_add, address, declare)))
}

/// The number of the global variable whose static has this address.
#[track_caller]
pub(crate) fn global(address: usize, declare: impl FnOnce() -> Option<GlobalDecl>) -> GlobalRef {
    GlobalRef::new(numbered(|statics, may_add| statics::number(&mut statics.globals, may_add, address, declare)))
}

/// A number that `find` gives; where it gives none, the program has an error.
#[track_caller]
fn numbered(find: impl FnOnce(&mut Statics, bool) -> Option<usize>) -> usize {
    let loc = Loc::from(core::panic::Location::caller());
    with(|session| {
        let (statics, may_add) = session.statics();
        find(statics, may_add).unwrap_or_else(|| {
            session.fail_at(StageErrorKind::UnnamedStatic, loc);
            0
        })
    })
}

/// Splits the path on a comparison and tells which way this run goes.
#[inline]
#[track_caller]
pub(crate) fn fork(cond: Cond, width: Width, a: Operand, b: Operand) -> bool {
    let loc = Loc::from(core::panic::Location::caller());
    if let Some(answer) = session::decide(cond, width, a, b) {
        return answer;
    }
    with(|session| session.fork(cond, width, a, b, loc))
}

/// The `nth` scratch slot of the frame, of at least `bytes` bytes: free for the arguments of one call.
#[track_caller]
pub(crate) fn scratch(nth: usize, bytes: u16) -> StackSlot {
    with(|session| session.scratch(nth, bytes))
}

/// The join point that begins here.
#[doc(hidden)]
#[inline]
#[track_caller]
pub fn scope() -> Scope {
    with(|session| session.scope())
}

/// Whether the path split since `scope`: only then is there anything to join.
#[doc(hidden)]
#[inline]
#[track_caller]
pub fn forked_since(scope: &Scope) -> bool {
    with(|session| session.forked_since(scope, 0))
}

/// Whether the path split more than once since `scope`, which began a condition whose one arm never ends: after a single split only the
/// other arm goes on, and there is nothing to join.
#[doc(hidden)]
#[inline]
#[track_caller]
pub fn forked_again_since(scope: &Scope) -> bool {
    with(|session| session.forked_since(scope, 1))
}

mod panics {
    //! Panics of user code while it is staged: their message and place, without a word on standard error.

    use std::cell::{Cell, RefCell};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Once;

    use super::Place;

    /// What a panic said, and where.
    pub(crate) struct Caught {
        pub message: String,
        pub at: Option<Place>,
    }

    thread_local! {
        static CATCHING: Cell<bool> = const { Cell::new(false) };
        static CAUGHT: RefCell<Option<Caught>> = const { RefCell::new(None) };
    }

    /// Calls `body`; a panic in it comes back as what it said. Where panics abort, they abort.
    pub(crate) fn catch<T>(body: &mut dyn FnMut() -> T) -> Result<T, Caught> {
        install();
        let outer = CATCHING.replace(true);
        let result = catch_unwind(AssertUnwindSafe(body));
        CATCHING.set(outer);
        result.map_err(|_| CAUGHT.take().unwrap_or(Caught { message: "unknown panic".to_owned(), at: None }))
    }

    /// Adds to the panic hook, once, that panics of staged code are kept instead of printed.
    fn install() {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                if !CATCHING.get() || !cfg!(panic = "unwind") {
                    return previous(info);
                }
                let payload = info.payload();
                let message = payload
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| payload.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "a panic without a message".to_owned());
                CAUGHT.set(Some(Caught { message, at: info.location().map(Place::from) }));
            }));
        });
    }
}
pub(crate) use panics::Caught;
