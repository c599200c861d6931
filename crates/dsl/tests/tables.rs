//! The tables of fields and helpers: what must hold of every row. Whether the rows are the kernel's own, the kernel suite asks.

use bpfasm_dsl::context::{CgroupSkb, Context, Tc};
use bpfasm_dsl::helper::{Call, Helper};

/// The helpers that have a method: with its name and signature.
fn methods<C: Context>() -> impl Iterator<Item = (Helper, &'static str, String)> {
    C::helpers().filter_map(|helper| match helper.call {
        Call::Method { name, signature, .. } => Some((helper, name, signature.replace(' ', ""))),
        Call::Needs(_) => None,
    })
}

#[test]
fn a_helper_has_one_row() {
    fn check<C: Context>(least: usize) {
        let mut ids: Vec<_> = C::helpers().map(|helper| helper.id).collect();
        let rows = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows, "{}", C::NAME);
        assert!(rows >= least, "{}: {rows}", C::NAME);
    }
    check::<Tc>(130);
    check::<CgroupSkb>(90);
}

/// A header that was borrowed before must be gone after.
#[test]
fn what_moves_the_packet_borrows_it() {
    fn check<C: Context>() {
        for (helper, name, signature) in methods::<C>() {
            if helper.id.moves_packet_data() {
                assert!(signature.contains("&mutself"), "{name}{signature}");
            }
        }
    }
    check::<Tc>();
    check::<CgroupSkb>();
    assert!(methods::<Tc>().any(|(_, name, signature)| name == "vlan_pop" && signature == "(&mutself)->HelperResult"));
}

/// A field already has the name `set_tstamp`.
#[test]
fn methods_are_named_after_their_helpers() {
    for (helper, name, _) in methods::<Tc>().chain(methods::<CgroupSkb>()) {
        let own = helper.id.name().unwrap();
        // Of contexts, and of maps: `skb_vlan_pop` and `map_lookup_elem`.
        let of_map = own.strip_prefix("map_").and_then(|own| own.strip_suffix("_elem"));
        let own = of_map.or(own.strip_prefix("skb_")).unwrap_or(own);
        assert!(name == own || (own, name) == ("set_tstamp", "set_tstamp_type"), "{name} is {own}");
    }
}

#[test]
fn nothing_is_older_than_what_it_is_part_of() {
    fn check<C: Context>() {
        let first = C::PROGRAM_TYPES.iter().filter_map(|program_type| program_type.first_kernel()).min().unwrap();
        for helper in C::helpers() {
            assert!(helper.since >= first && Some(helper.since) >= helper.id.first_kernel(), "{}", helper.id);
        }
        for field in C::fields() {
            assert!(field.read >= first && field.write.is_none_or(|write| write >= first), "{}", field.name);
        }
    }
    check::<Tc>();
    check::<CgroupSkb>();
}

/// Fields lie in the order of the struct, and none in another.
#[test]
fn fields_do_not_overlap() {
    fn check<C: Context>() {
        let fields: Vec<_> = C::fields().collect();
        for pair in fields.windows(2) {
            let [before, after] = pair else { unreachable!() };
            assert!(i64::from(before.offset) + i64::from(before.bytes) <= i64::from(after.offset), "{}", after.name);
        }
    }
    check::<Tc>();
    check::<CgroupSkb>();
}
