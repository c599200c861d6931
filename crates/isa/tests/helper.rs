//! The helper table is the kernel's.

use bpfasm_isa::{HelperId, KernelVersion};

#[test]
fn numbers_are_dense_and_names_lead_back() {
    for (index, helper) in HelperId::ALL.iter().enumerate() {
        assert_eq!(usize::try_from(helper.0).unwrap(), index + 1);
        let name = helper.name().unwrap();
        assert_eq!(HelperId::from_name(name), Some(*helper));
        assert_eq!(HelperId::from_name(&format!("bpf_{name}")), Some(*helper));
        assert_eq!(helper.to_string(), format!("bpf_{name}"));
    }
    assert_eq!(HelperId::ALL.last(), Some(&HelperId::CGRP_STORAGE_DELETE));
}

/// Helpers are only ever appended, so a later number is never an earlier kernel's.
#[test]
fn first_kernels_never_go_back() {
    assert!(HelperId::ALL.is_sorted_by_key(|helper| helper.first_kernel()));
    let first = |helper: HelperId| helper.first_kernel().unwrap();
    assert_eq!(first(HelperId::MAP_LOOKUP_ELEM), KernelVersion::new(3, 19));
    assert_eq!(first(HelperId::REDIRECT_MAP), KernelVersion::new(4, 14));
    assert_eq!(first(HelperId::REDIRECT_PEER), KernelVersion::new(5, 10));
    assert_eq!(first(HelperId::USER_RINGBUF_DRAIN), KernelVersion::new(6, 1));
}

/// Numbers that `include/uapi/linux/bpf.h` gives.
#[test]
fn numbers_are_the_kernels() {
    assert_eq!(HelperId::MAP_LOOKUP_ELEM, HelperId(1));
    assert_eq!(HelperId::SKB_STORE_BYTES, HelperId(9));
    assert_eq!(HelperId::REDIRECT, HelperId(23));
    assert_eq!(HelperId::SKB_PULL_DATA, HelperId(39));
    assert_eq!(HelperId::FIB_LOOKUP, HelperId(69));
    assert_eq!(HelperId::SK_ASSIGN, HelperId(124));
    assert_eq!(HelperId::RINGBUF_OUTPUT, HelperId(130));
    assert_eq!(HelperId::REDIRECT_NEIGH, HelperId(152));
    assert_eq!(HelperId::LOOP, HelperId(181));
    assert_eq!(HelperId::CGRP_STORAGE_GET, HelperId(210));
}

#[test]
fn numbers_without_a_name_are_values() {
    for helper in [HelperId(0), HelperId(212), HelperId(u32::MAX)] {
        assert_eq!((helper.name(), helper.first_kernel(), helper.moves_packet_data()), (None, None, false));
    }
    assert_eq!(HelperId(212).to_string(), "helper 212");
    assert_eq!(HelperId::from_name("unspec"), None);
    assert_eq!(HelperId::from_name("bpf_bpf_redirect"), None);
}

#[test]
fn packet_movers() {
    let movers = HelperId::ALL.iter().filter(|helper| helper.moves_packet_data()).count();
    assert_eq!(movers, 23);
    assert!(HelperId::SKB_CHANGE_TAIL.moves_packet_data());
    assert!(HelperId::TAIL_CALL.moves_packet_data());
    assert!(!HelperId::SKB_LOAD_BYTES.moves_packet_data());
    assert!(!HelperId::REDIRECT.moves_packet_data());
    assert!(HelperId::MAP_LOOKUP_ELEM.changes_maps_only());
    assert!(!HelperId::SKB_LOAD_BYTES.changes_maps_only());
    assert!(!HelperId::TAIL_CALL.changes_maps_only());
}
