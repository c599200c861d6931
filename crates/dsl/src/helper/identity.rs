//! Whose a packet is: flow, socket, control group, namespace, class.

use super::{call, helpers, skb};
use crate::context::{Handle as _, HelperResult, SockCommon};
use crate::value::{I32, U32, U64};

helpers! {
    [Tc] GET_HASH_RECALC(skb): skb.get_hash_recalc() => {
        /// The flow hash, computed where there is none (`bpf_get_hash_recalc`).
        pub fn get_hash_recalc(&self) -> U32 {
            call!(GET_HASH_RECALC, skb())
        }
    }
    [Tc] SET_HASH(skb): skb.set_hash(7) => {
        /// Sets the flow hash (`bpf_set_hash`).
        pub fn set_hash(&mut self, hash: impl Into<U32>) -> HelperResult {
            call!(SET_HASH, skb(), hash.into())
        }
    }
    [Tc] SET_HASH_INVALID(skb): skb.set_hash_invalid() => {
        /// Forgets the flow hash (`bpf_set_hash_invalid`).
        pub fn set_hash_invalid(&mut self) -> HelperResult {
            call!(SET_HASH_INVALID, skb())
        }
    }
    [Tc, CgroupSkb] GET_SOCKET_COOKIE(skb): skb.get_socket_cookie() => {
        /// A number that no other socket has (`bpf_get_socket_cookie`); 0 where there is no socket.
        pub fn get_socket_cookie(&self) -> U64 {
            call!(GET_SOCKET_COOKIE, skb())
        }
    }
    [Tc, CgroupSkb] GET_SOCKET_UID(skb): skb.get_socket_uid() => {
        /// The socket's user (`bpf_get_socket_uid`); the user nobody where there is none.
        pub fn get_socket_uid(&self) -> U32 {
            call!(GET_SOCKET_UID, skb())
        }
    }
    [Tc (6, 15), CgroupSkb (6, 15)] GET_NETNS_COOKIE(skb): skb.get_netns_cookie() => {
        /// A number that no other network namespace has: the socket's, or the initial one's (`bpf_get_netns_cookie`).
        pub fn get_netns_cookie(&self) -> U64 {
            call!(GET_NETNS_COOKIE, skb())
        }
    }
    [Tc, CgroupSkb (6, 16)] GET_CGROUP_CLASSID(skb): skb.get_cgroup_classid() => {
        /// The class of the current task's control group, version 1 (`bpf_get_cgroup_classid`).
        pub fn get_cgroup_classid(&self) -> U32 {
            call!(GET_CGROUP_CLASSID, skb())
        }
    }
    [Tc] SKB_CGROUP_CLASSID(skb): skb.cgroup_classid() => {
        /// The class of the socket's control group, version 1 (`bpf_skb_cgroup_classid`).
        pub fn cgroup_classid(&self) -> U64 {
            call!(SKB_CGROUP_CLASSID, skb())
        }
    }
    [Tc, CgroupSkb (5, 3)] SKB_CGROUP_ID(skb): skb.cgroup_id() => {
        /// The id of the socket's control group (`bpf_skb_cgroup_id`); 0 where there is no socket.
        pub fn cgroup_id(&self) -> U64 {
            call!(SKB_CGROUP_ID, skb())
        }
    }
    [Tc, CgroupSkb (5, 8)] SKB_ANCESTOR_CGROUP_ID(skb): skb.ancestor_cgroup_id(1) => {
        /// The id of the group `level` steps below the root on the way to the socket's (`bpf_skb_ancestor_cgroup_id`).
        pub fn ancestor_cgroup_id(&self, level: impl Into<I32>) -> U64 {
            call!(SKB_ANCESTOR_CGROUP_ID, skb(), level.into())
        }
    }
    [CgroupSkb] SK_CGROUP_ID(skb): skb.sk().map(|sk| skb.sk_cgroup_id(&sk)) => {
        /// The id of a socket's control group (`bpf_sk_cgroup_id`).
        pub fn sk_cgroup_id(&self, sk: &SockCommon) -> U64 {
            call!(SK_CGROUP_ID, sk.pointer())
        }
    }
    [CgroupSkb] SK_ANCESTOR_CGROUP_ID(skb): skb.sk().map(|sk| skb.sk_ancestor_cgroup_id(&sk, 1)) => {
        /// The id of the group `level` steps below the root on the way to a socket's (`bpf_sk_ancestor_cgroup_id`).
        pub fn sk_ancestor_cgroup_id(&self, sk: &SockCommon, level: impl Into<I32>) -> U64 {
            call!(SK_ANCESTOR_CGROUP_ID, sk.pointer(), level.into())
        }
    }
    [Tc] GET_ROUTE_REALM(skb): skb.get_route_realm() => {
        /// The realm of the route that the packet takes (`bpf_get_route_realm`); 0 where there is none.
        pub fn get_route_realm(&self) -> U32 {
            call!(GET_ROUTE_REALM, skb())
        }
    }
}
