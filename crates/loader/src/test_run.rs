//! Running a program on bytes of the caller.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::LazyLock;

use bpfasm_isa::{AluOp, Assembler, Endian, Insn, JmpOp, Reg, Size, Width};
use bpfasm_object::kernel::ProgramType;

use crate::privilege::Action;
use crate::sys::{self, Errno, ProgLoad, TestRunOut};
use crate::{Error, Program};

/// What a program runs on.
///
/// ```no_run
/// # fn f(program: &bpfasm_loader::Program) -> Result<(), bpfasm_loader::Error> {
/// let packet = [0; 64];
/// let output = program.test_run(&bpfasm_loader::TestRun::packet(&packet))?;
/// println!("returned {}", output.retval);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRun {
    /// The packet, from its Ethernet header; empty for the types that take none. The types that take one want at least
    /// 14 bytes.
    pub data_in: Vec<u8>,
    /// The context struct of the type, such as `struct __sk_buff`; empty for the kernel's default.
    pub ctx_in: Vec<u8>,
    /// How often to run, for a duration worth the name; 0 means once.
    pub repeat: u32,
}

impl TestRun {
    /// One run on a packet.
    #[must_use]
    pub fn packet(bytes: &[u8]) -> TestRun {
        TestRun { data_in: bytes.to_vec(), ..TestRun::default() }
    }

    /// Sets the context struct.
    #[must_use]
    pub fn context(mut self, bytes: &[u8]) -> TestRun {
        self.ctx_in = bytes.to_vec();
        self
    }

    /// Sets how often to run.
    #[must_use]
    pub fn repeat(mut self, times: u32) -> TestRun {
        self.repeat = times;
        self
    }
}

/// What came out of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestRunOutput {
    /// The program's return value. Those that are negative by meaning, such as `TC_ACT_UNSPEC`, come as two's
    /// complement.
    pub retval: u32,
    /// The packet after the run.
    pub data_out: Vec<u8>,
    /// The context after the run; empty unless one was given.
    pub ctx_out: Vec<u8>,
    /// Nanoseconds per run, on average.
    pub duration_ns: u32,
}

/// Room for what a program may add to its packet: the largest packet there is.
const PACKET_ROOM: usize = 1 << 16;

pub(crate) fn run(program: &Program, run: &TestRun) -> Result<TestRunOutput, Error> {
    // The types without a packet refuse room for one.
    let room = if run.data_in.is_empty() { 0 } else { run.data_in.len().saturating_add(PACKET_ROOM) };
    let mut data_out = vec![0; room];
    let mut ctx_out = vec![0; run.ctx_in.len()];
    let out =
        run_once(program.as_fd(), run, &mut data_out, &mut ctx_out).map_err(|errno| explain(program, run, errno))?;
    if program.program_type() == ProgramType::CGROUP_SKB && !*CGROUP_SKB_SEES_BYTES {
        return Err(Error::Unsupported { what: "test runs of cgroup_skb programs".to_owned(), since: None });
    }
    let cut = |bytes: &mut Vec<u8>, length: u32| bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    cut(&mut data_out, out.data_size_out);
    cut(&mut ctx_out, out.ctx_size_out);
    Ok(TestRunOutput { retval: out.retval, data_out, ctx_out, duration_ns: out.duration })
}

fn run_once(
    program: BorrowedFd<'_>,
    run: &TestRun,
    data_out: &mut [u8],
    ctx_out: &mut [u8],
) -> Result<TestRunOut, Errno> {
    let (data_in, ctx_in) = (&run.data_in, &run.ctx_in);
    sys::prog_test_run(program, &mut sys::TestRunIn { data_in, data_out, ctx_in, ctx_out, repeat: run.repeat })
}

/// Whether test runs show programs of control groups the packet: many kernels (5.10 and 6.1 among them) leave `data_end`
/// zero, so that every packet seems empty, and the verdict is a wrong one. True if that can't be found out.
static CGROUP_SKB_SEES_BYTES: LazyLock<bool> = LazyLock::new(|| {
    let Ok(code) = returns_whether_there_are_bytes() else { return true };
    let program = sys::prog_load(&mut ProgLoad {
        prog_type: ProgramType::CGROUP_SKB.0,
        expected_attach_type: 0,
        code: &code,
        license: c"GPL",
        name: "",
        flags: 0,
        btf: None,
        func_info: &[],
        line_info: &[],
        log_level: 0,
        log: &mut [],
    });
    let packet = TestRun::packet(&[0; 64]);
    let run = program.map(|program| run_once(program.as_fd(), &packet, &mut [0; 64], &mut []));
    !matches!(run, Ok(Ok(TestRunOut { retval: 0, .. })))
});

/// `skb->data < skb->data_end`, with the offsets of `struct __sk_buff`, include/uapi/linux/bpf.h.
fn returns_whether_there_are_bytes() -> Result<Vec<u8>, bpfasm_isa::LabelError> {
    const DATA: i16 = 76;
    const DATA_END: i16 = 80;
    let mut asm = Assembler::new();
    let empty = asm.new_label();
    asm.push(Insn::load(Size::W, Reg::R2, Reg::R1, DATA));
    asm.push(Insn::load(Size::W, Reg::R3, Reg::R1, DATA_END));
    asm.push(Insn::mov(Width::W64, Reg::R0, 0));
    asm.push(Insn::alu(Width::W64, AluOp::Add, Reg::R2, 1));
    asm.jump_if(Width::W64, JmpOp::Gt, Reg::R2, Reg::R3, empty);
    asm.push(Insn::mov(Width::W64, Reg::R0, 1));
    asm.bind(empty);
    asm.push(Insn::exit());
    Ok(asm.finish()?.iter().flat_map(|slot| slot.to_bytes(Endian::NATIVE)).collect())
}

fn explain(program: &Program, run: &TestRun, errno: Errno) -> Error {
    let program_type = program.program_type();
    match errno {
        errno if errno.is_not_supported() => {
            Error::Unsupported { what: format!("test runs of {program_type} programs"), since: None }
        }
        Errno::EINVAL => Error::Usage {
            what: format!(
                "the kernel does not run a {program_type} program on {} bytes of packet and {} of context",
                run.data_in.len(),
                run.ctx_in.len()
            ),
        },
        errno => Error::sys(Action::TEST_RUN, errno),
    }
}
