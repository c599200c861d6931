//! The actions that hang in a filter.
//!
//! # References
//! `include/uapi/linux/pkt_cls.h`, `include/uapi/linux/tc_act/tc_mirred.h`

use netlink_packet_core::{NlaBuffer, Parseable};
use netlink_packet_route::tc::{TcAction, TcActionAttribute, TcActionMirrorOption, TcActionOption, TcMirrorActionType};

use crate::netlink::frame;

/// `TCA_ACT_KIND`.
const TCA_ACT_KIND: u16 = 1;

/// One action of a filter, in the place that its number says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Action {
    /// Its place: actions run from the lowest on.
    pub order: u16,
    /// What it is: `mirred`, `gact`, `bpf` and so on.
    pub kind: String,
    /// What a `mirred` action does, if it could be read.
    pub mirred: Option<Mirred>,
}

/// A `mirred` action: the packet, or a copy of it, goes to another device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mirred {
    /// Whether the packet itself goes there, rather than a copy.
    pub redirect: bool,
    /// Whether it comes in there, rather than goes out.
    pub ingress: bool,
    /// The other device's index.
    pub ifindex: u32,
    /// What happens then to the packet here: `TC_ACT_*`.
    pub verdict: i32,
    /// The action's own number among those of its kind.
    pub index: u32,
    /// How often it is referred to.
    pub references: i32,
    /// How many filters use it.
    pub bindings: i32,
}

/// Reads a list of actions, without those that can't be read at all.
pub(super) fn actions(list: &[u8]) -> Vec<Action> {
    frame::attributes(list).filter_map(|attribute| action(&attribute, list.get(attribute.at..)?)).collect()
}

/// Reads one, from its attribute on.
fn action(attribute: &frame::Attribute<'_>, bytes: &[u8]) -> Option<Action> {
    let kind = frame::attributes(attribute.value).find(|inner| inner.kind == TCA_ACT_KIND)?;
    let decoded = NlaBuffer::new_checked(bytes).and_then(|nla| TcAction::parse(&nla));
    let mirred = decoded.ok().and_then(|action| action.attributes.iter().find_map(mirred));
    Some(Action { order: attribute.kind, kind: frame::text(kind.value), mirred })
}

fn mirred(attribute: &TcActionAttribute) -> Option<Mirred> {
    let TcActionAttribute::Options(options) = attribute else { return None };
    let parameters = options.iter().find_map(|option| match option {
        TcActionOption::Mirror(TcActionMirrorOption::Parms(parameters)) => Some(parameters),
        _ => None,
    })?;
    let (redirect, ingress) = match parameters.eaction {
        TcMirrorActionType::EgressRedir => (true, false),
        TcMirrorActionType::EgressMirror => (false, false),
        TcMirrorActionType::IngressRedir => (true, true),
        TcMirrorActionType::IngressMirror => (false, true),
        _ => return None,
    };
    let generic = &parameters.generic;
    Some(Mirred {
        redirect,
        ingress,
        ifindex: parameters.ifindex,
        verdict: generic.action.into(),
        index: generic.index,
        references: generic.refcnt,
        bindings: generic.bindcnt,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute, padded.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(value.len() + 4).unwrap().to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    #[test]
    fn one_action_that_cannot_be_decoded_leaves_the_others() {
        // struct tc_mirred: tc_gen {index, capab, action STOLEN, refcnt, bindcnt}, eaction EGRESS_REDIR, ifindex.
        let parameters: Vec<u8> = [3_i32, 0, 4, 1, 1, 1, 9].into_iter().flat_map(i32::to_ne_bytes).collect();
        let options = attribute(2, &attribute(2, &parameters));
        let whole = [attribute(TCA_ACT_KIND, b"mirred\0"), options].concat();
        let cut = [attribute(TCA_ACT_KIND, b"mirred\0"), attribute(2, &attribute(2, &[0; 8]))].concat();
        let unknown = attribute(TCA_ACT_KIND, b"from_the_future\0");
        let list = [attribute(1, &cut), attribute(2, &whole), attribute(3, &unknown), attribute(4, b"junk")].concat();
        let read = actions(&list);
        let names: Vec<_> = read.iter().map(|action| (action.order, action.kind.as_str())).collect();
        assert_eq!(names, [(1, "mirred"), (2, "mirred"), (3, "from_the_future")]);
        let mirred =
            Mirred { redirect: true, ingress: false, ifindex: 9, verdict: 4, index: 3, references: 1, bindings: 1 };
        assert_eq!(read.iter().map(|action| action.mirred).collect::<Vec<_>>(), [None, Some(mirred), None]);
    }
}
