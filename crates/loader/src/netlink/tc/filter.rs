//! Filters.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NlaBuffer, Parseable};
use netlink_packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcOption, TcU32OptionFlags,
};

use super::action::{Action, actions};
use super::{Connection, Error, Handle, TCA_KIND, TCA_OPTIONS, TCMSG_LEN, body, header};
use crate::netlink::{NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REPLACE, Reply, Request, frame};
use crate::owner::FILTER_PREFIX;

// `include/uapi/linux/rtnetlink.h`.
const RTM_NEWTFILTER: u16 = 44;
const RTM_DELTFILTER: u16 = 45;
const RTM_GETTFILTER: u16 = 46;
const TCA_CHAIN: u16 = 11;

// `include/uapi/linux/pkt_cls.h`: what netlink-packet-route leaves as bytes.
const TCA_BPF_ACT: u16 = 1;
const TCA_BPF_OPS: u16 = 5;

/// `ETH_P_ALL` of `include/uapi/linux/if_ether.h`.
pub(crate) const ETH_P_ALL: u16 = 3;

/// What the kernel needs to name one filter. In a question for several, 0 stands for any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilterAddress {
    /// The device's index.
    pub ifindex: u32,
    /// Where it hangs.
    pub parent: Handle,
    /// The chain; 0 runs unless another filter jumps.
    pub chain: u32,
    /// Lower runs first. 0 lets the kernel choose.
    pub priority: u16,
    /// The `ETH_P_*` of the packets that it sees; 3 is all.
    pub protocol: u16,
    /// Which one of its priority. 0 lets the kernel choose.
    pub handle: u32,
}

impl FilterAddress {
    fn header(&self) -> Result<TcHeader, Error> {
        Ok(TcHeader {
            handle: TcHandle::from(self.handle),
            info: u32::from(self.priority) << 16 | u32::from(self.protocol.to_be()),
            ..header(self.ifindex, self.parent)?
        })
    }

    /// The request's first attributes: the chain, unless it is that without a number, and the kind of filter.
    fn attributes(&self, kind: Option<&str>) -> Vec<TcAttribute> {
        let chain = (self.chain != 0).then_some(TcAttribute::Chain(self.chain));
        chain.into_iter().chain(kind.map(|kind| TcAttribute::Kind(kind.to_owned()))).collect()
    }
}

/// A filter, as a dump shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Where it is.
    pub address: FilterAddress,
    /// The classifier: `bpf`, `flower`, `u32` and so on.
    pub kind: String,
    /// What it does. `None` for the row that stands for all filters of a priority: each begins with one.
    pub options: Option<FilterOptions>,
}

impl Filter {
    /// What a `bpf` filter says of its program.
    #[must_use]
    pub fn bpf(&self) -> Option<&BpfOptions> {
        match &self.options {
            Some(FilterOptions::Bpf(options)) => Some(options),
            Some(FilterOptions::Other) | None => None,
        }
    }

    /// The name of the program, if this crate has attached it. Another tool's filter could carry our prefix, but no
    /// program, or be in a place where this crate puts none.
    #[must_use]
    pub fn our_program(&self) -> Option<&str> {
        let bpf = self.bpf().filter(|bpf| bpf.program_id.is_some() && self.address.chain == 0)?;
        bpf.name.as_deref()?.strip_prefix(FILTER_PREFIX)
    }
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterOptions {
    /// It runs a BPF program.
    Bpf(Box<BpfOptions>),
    /// Another classifier, whose options are not read here.
    Other,
}

/// The options of a `bpf` filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BpfOptions {
    /// What whoever made it has called it.
    pub name: Option<String>,
    /// The program; `None` for one of classic BPF.
    pub program_id: Option<u32>,
    /// A hash of the program's instructions.
    pub tag: Option<[u8; 8]>,
    /// Whether the program's verdict is the packet's. Otherwise it is the packet's class.
    pub direct_action: bool,
    /// The class of the packets that match.
    pub class: Option<Handle>,
    /// Whether hardware takes part.
    pub hardware: Hardware,
    /// The instructions of a program of classic BPF.
    pub classic: Option<Vec<ClassicInsn>>,
    /// What is done with the packets that match.
    pub actions: Vec<Action>,
}

/// `TCA_CLS_FLAGS_*`: whether hardware takes part in a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Hardware is not to have it.
    pub skip_hw: bool,
    /// Only hardware is to have it.
    pub skip_sw: bool,
    /// Hardware has it.
    pub in_hw: bool,
    /// Hardware does not have it.
    pub not_in_hw: bool,
}

impl Hardware {
    const fn read(flags: TcU32OptionFlags) -> Hardware {
        Hardware {
            skip_hw: flags.contains(TcU32OptionFlags::SkipHw),
            skip_sw: flags.contains(TcU32OptionFlags::SkipSw),
            in_hw: flags.contains(TcU32OptionFlags::InHw),
            not_in_hw: flags.contains(TcU32OptionFlags::NotInHw),
        }
    }

    /// Of what can be asked for.
    fn flags(self) -> TcU32OptionFlags {
        let (mut flags, none) = (TcU32OptionFlags::empty(), TcU32OptionFlags::empty());
        flags |= if self.skip_hw { TcU32OptionFlags::SkipHw } else { none };
        flags |= if self.skip_sw { TcU32OptionFlags::SkipSw } else { none };
        flags
    }
}

/// An instruction of classic BPF: `struct sock_filter` of `include/uapi/linux/filter.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassicInsn {
    /// The operation.
    pub code: u16,
    /// How many instructions to skip if a jump's condition holds.
    pub jt: u8,
    /// How many if not.
    pub jf: u8,
    /// The constant.
    pub k: u32,
}

/// What a new `bpf` filter is to do.
pub(crate) struct NewFilter<'a> {
    pub name: &'a str,
    pub program: BorrowedFd<'a>,
    pub direct_action: bool,
    pub class: Option<Handle>,
    pub hardware: Hardware,
}

/// Whether there may be, or must be, a filter at the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// There must be none.
    Add,
    /// There must be one: its program is swapped, with no moment in between.
    Change,
    /// Either.
    Replace,
}

impl Put {
    const fn flags(self) -> u16 {
        match self {
            Put::Add => NLM_F_CREATE | NLM_F_EXCL,
            // Without NLM_F_CREATE the kernel refuses to replace what is not there.
            Put::Change => NLM_F_REPLACE,
            Put::Replace => NLM_F_CREATE,
        }
    }
}

/// Puts a `bpf` filter at an address.
///
/// Gives the filter as the kernel made it; `None` if it made one and did not show it.
pub(crate) fn put(
    connection: &mut Connection,
    address: &FilterAddress,
    new: &NewFilter<'_>,
    put: Put,
) -> Result<Option<Filter>, Error> {
    let mut options = vec![
        // Not negative, by the invariant of `BorrowedFd`.
        TcFilterBpfOption::ProgFd(new.program.as_raw_fd().unsigned_abs()),
        TcFilterBpfOption::ProgName(new.name.to_owned()),
    ];
    options.extend(new.class.map(|class| TcFilterBpfOption::ClassId(TcHandle::from(class.0))));
    options.extend(new.direct_action.then_some(TcFilterBpfOption::Flags(TcBpfFlags::DirectAction)));
    let hardware = new.hardware.flags();
    options.extend((!hardware.is_empty()).then_some(TcFilterBpfOption::FlagsGeneric(hardware)));
    let mut attributes = address.attributes(Some(TcFilterBpf::KIND));
    attributes.push(TcAttribute::Options(options.into_iter().map(TcOption::Bpf).collect()));
    let request = Request {
        message_type: RTM_NEWTFILTER,
        flags: NLM_F_ECHO | put.flags(),
        body: body(address.header()?, attributes),
    };
    let replies = connection.request(&request)?;
    Ok(replies.iter().filter_map(filter).find(|filter| filter.options.is_some()))
}

/// Deletes the filters at an address, if they are of that kind.
pub(crate) fn delete(connection: &mut Connection, address: &FilterAddress, kind: Option<&str>) -> Result<(), Error> {
    let body = body(address.header()?, address.attributes(kind));
    connection.request(&Request { message_type: RTM_DELTFILTER, flags: 0, body }).map(drop)
}

/// Deletes one `bpf` filter.
pub(crate) fn delete_bpf(connection: &mut Connection, address: &FilterAddress) -> Result<(), Error> {
    delete(connection, address, Some(TcFilterBpf::KIND))
}

/// Lists the filters of a device, in the order they run, in all chains or in one. Without the qdisc there are none.
pub(crate) fn list(
    connection: &mut Connection,
    address: &FilterAddress,
    chain: Option<u32>,
) -> Result<Vec<Filter>, Error> {
    let attributes = chain.map(TcAttribute::Chain).into_iter().collect();
    let request = Request { message_type: RTM_GETTFILTER, flags: 0, body: body(address.header()?, attributes) };
    Ok(connection.dump(&request)?.iter().filter_map(filter).collect())
}

/// The kind and protocol of the filters that have an address's priority, if a `bpf` filter for its protocol cannot join
/// them: a priority belongs to one kind of filter and one protocol.
pub(crate) fn other_holder(connection: &mut Connection, address: &FilterAddress) -> Option<(String, u16)> {
    let all = FilterAddress { protocol: 0, handle: 0, ..*address };
    let holder = list(connection, &all, Some(address.chain)).ok()?.into_iter().next()?;
    let differs = holder.kind != TcFilterBpf::KIND || holder.address.protocol != address.protocol;
    (address.priority != 0 && differs).then_some((holder.kind, holder.address.protocol))
}

/// Reads a filter of a dump or an echo. `None` for other messages.
fn filter(reply: &Reply) -> Option<Filter> {
    if reply.message_type != RTM_NEWTFILTER {
        return None;
    }
    let header = TcHeader::parse(&reply.body).ok()?;
    let (mut kind, mut chain, mut options) = (String::new(), 0, None);
    for attribute in frame::attributes(reply.body.get(TCMSG_LEN..)?) {
        match attribute.kind {
            TCA_KIND => kind = frame::text(attribute.value),
            TCA_CHAIN => chain = frame::read_u32(attribute.value, 0)?,
            TCA_OPTIONS => options = Some(attribute.value),
            _ => {}
        }
    }
    let options = options.map(|options| match kind == TcFilterBpf::KIND {
        true => FilterOptions::Bpf(Box::new(bpf_options(options))),
        false => FilterOptions::Other,
    });
    let [high, low] = [header.info >> 16, header.info & 0xffff];
    let address = FilterAddress {
        ifindex: u32::try_from(header.index).unwrap_or(0),
        parent: Handle(header.parent.into()),
        chain,
        priority: u16::try_from(high).ok()?,
        protocol: u16::from_be(u16::try_from(low).ok()?),
        handle: header.handle.into(),
    };
    Some(Filter { address, kind, options })
}

/// Reads the options of a `bpf` filter that can be read.
fn bpf_options(options: &[u8]) -> BpfOptions {
    let mut out = BpfOptions::default();
    for attribute in frame::attributes(options) {
        match attribute.kind {
            TCA_BPF_ACT => out.actions = actions(attribute.value),
            TCA_BPF_OPS => out.classic = Some(attribute.value.chunks_exact(8).filter_map(classic_insn).collect()),
            _ => out.take(options.get(attribute.at..).unwrap_or_default()),
        }
    }
    out
}

impl BpfOptions {
    /// Takes the option that some bytes begin with, if it can be read.
    fn take(&mut self, bytes: &[u8]) {
        let Ok(option) = NlaBuffer::new_checked(bytes).and_then(|nla| TcFilterBpfOption::parse(&nla)) else { return };
        match option {
            TcFilterBpfOption::ProgName(name) => self.name = Some(name),
            TcFilterBpfOption::ProgId(id) => self.program_id = Some(id),
            TcFilterBpfOption::ProgTag(tag) => self.tag = Some(tag),
            TcFilterBpfOption::Flags(flags) => self.direct_action = flags.contains(TcBpfFlags::DirectAction),
            TcFilterBpfOption::FlagsGeneric(flags) => self.hardware = Hardware::read(flags),
            TcFilterBpfOption::ClassId(class) => self.class = Some(Handle(class.into())),
            _ => {}
        }
    }
}

fn classic_insn(bytes: &[u8]) -> Option<ClassicInsn> {
    let [jt, jf] = [*bytes.get(2)?, *bytes.get(3)?];
    Some(ClassicInsn { code: frame::read_u16(bytes, 0)?, jt, jf, k: frame::read_u32(bytes, 4)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: FilterAddress =
        FilterAddress { ifindex: 1, parent: Handle::INGRESS, chain: 0, priority: 1000, protocol: ETH_P_ALL, handle: 0 };

    #[test]
    fn a_filter_header_is_laid_out_as_struct_tcmsg() {
        let bytes = body(ADDRESS.header().unwrap(), Vec::new());
        let mut expected = vec![0, 0, 0, 0]; // tcm_family AF_UNSPEC, padding
        expected.extend(1_i32.to_ne_bytes()); // tcm_ifindex
        expected.extend(0_u32.to_ne_bytes()); // tcm_handle: the kernel chooses
        expected.extend(0xffff_fff2_u32.to_ne_bytes()); // tcm_parent
        // tcm_info: priority, htons(ETH_P_ALL)
        expected.extend((1000_u32 << 16 | u32::from(3_u16.to_be())).to_ne_bytes());
        assert_eq!(bytes, expected);
    }

    /// A row of a dump, with the attributes given as (type, value).
    fn row(handle: u32, attributes: &[(u16, Vec<u8>)]) -> Reply {
        let mut body = body(FilterAddress { handle, ..ADDRESS }.header().unwrap(), Vec::new());
        for (kind, value) in attributes {
            body.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            body.extend(kind.to_ne_bytes());
            body.extend(value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        Reply { message_type: RTM_NEWTFILTER, body }
    }

    /// Attributes as bytes.
    fn attributes(list: &[(u16, Vec<u8>)]) -> Vec<u8> {
        row(0, list).body.split_off(TCMSG_LEN)
    }

    /// Bytes that are attributes, with bytes in them or attributes again, and sometimes cut.
    fn nested() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..32);
        let leaf = prop_oneof![bytes, Just(b"mirred\0".to_vec()), Just(b"bpf\0".to_vec())];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let list = prop::collection::vec((0_u16..13, inner), 0..4);
            (list, 0_usize..64).prop_map(|(list, cut)| {
                let mut bytes = attributes(&list);
                bytes.truncate(bytes.len().max(cut) - cut / 8);
                bytes
            })
        })
    }

    proptest! {
        #[test]
        fn a_filter_of_any_options_is_listed(options in nested(), kind in prop_oneof![Just("bpf"), Just("u32")]) {
            let reply = row(7, &[(TCA_KIND, [kind.as_bytes(), b"\0"].concat()), (TCA_OPTIONS, options)]);
            let filter = filter(&reply).unwrap();
            prop_assert_eq!((filter.kind.as_str(), filter.address), (kind, FilterAddress { handle: 7, ..ADDRESS }));
            prop_assert_eq!(filter.bpf().is_some(), kind == "bpf");
        }
    }

    #[test]
    fn a_foreign_filter_is_listed_by_what_can_be_read() {
        // A flower filter whose options are no attributes at all.
        let reply = row(1, &[(TCA_KIND, b"flower\0".to_vec()), (TCA_OPTIONS, vec![0xff; 7])]);
        let filter = filter(&reply).unwrap();
        assert_eq!((filter.kind.as_str(), filter.address.priority), ("flower", 1000));
        assert_eq!((filter.options, filter.address.handle), (Some(FilterOptions::Other), 1));
    }

    #[test]
    fn a_bpf_filter_with_a_broken_option_keeps_the_others() {
        let mut options = attributes(&[(11, 42_u32.to_ne_bytes().to_vec()), (8, vec![1])]);
        options.extend([1, 0, 0, 0]); // an attribute shorter than its own header
        let reply = row(1, &[(TCA_KIND, b"bpf\0".to_vec()), (TCA_OPTIONS, options)]);
        let filter = filter(&reply).unwrap();
        assert_eq!(filter.bpf(), Some(&BpfOptions { program_id: Some(42), ..BpfOptions::default() }));
    }

    #[test]
    fn classic_bpf_is_read_as_instructions() {
        let mut insn = 6_u16.to_ne_bytes().to_vec();
        insn.extend([1, 2]);
        insn.extend(0xffff_u32.to_ne_bytes());
        let options = attributes(&[(4, 1_u16.to_ne_bytes().to_vec()), (TCA_BPF_OPS, insn)]);
        let reply = row(1, &[(TCA_KIND, b"bpf\0".to_vec()), (TCA_OPTIONS, options)]);
        let classic = filter(&reply).unwrap().bpf().unwrap().classic.clone();
        assert_eq!(classic, Some(vec![ClassicInsn { code: 6, jt: 1, jf: 2, k: 0xffff }]));
    }

    #[test]
    fn the_row_of_a_whole_priority_has_no_options() {
        let filter = filter(&row(0, &[(TCA_KIND, b"bpf\0".to_vec())])).unwrap();
        assert_eq!((filter.options, filter.address), (None, ADDRESS));
    }

    #[test]
    fn a_filter_is_ours_by_its_name_its_program_and_its_chain() {
        let bpf = BpfOptions { name: Some("bpfasm:x".into()), program_id: Some(7), ..BpfOptions::default() };
        let filter = |bpf: &BpfOptions, chain| Filter {
            address: FilterAddress { chain, ..ADDRESS },
            kind: "bpf".to_owned(),
            options: Some(FilterOptions::Bpf(Box::new(bpf.clone()))),
        };
        assert_eq!(filter(&bpf, 0).our_program(), Some("x"));
        assert_eq!(filter(&bpf, 1).our_program(), None);
        assert_eq!(filter(&BpfOptions { program_id: None, ..bpf.clone() }, 0).our_program(), None);
        assert_eq!(filter(&BpfOptions { name: Some("x".into()), ..bpf }, 0).our_program(), None);
    }
}
