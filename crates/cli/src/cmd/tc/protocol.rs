//! The names of protocols, as iproute2 6.1 writes them.

use std::fmt;

use crate::words::number;

/// An `ETH_P_*` of include/uapi/linux/if_ether.h, by the name that iproute2 prints.
pub struct Protocol(pub u16);

/// Rows of `NUMBER "name"`.
macro_rules! protocols {
    ($($number:literal $name:literal,)*) => {
        const PROTOCOLS: &[(u16, &str)] = &[$(($number, $name)),*];
    };
}

// The first name of a number is the one that is printed.
protocols! {
    0x0060 "loop", 0x0200 "pup", 0x0201 "pupat", 0x0800 "ip", 0x0805 "x25", 0x0806 "arp", 0x08ff "bpq",
    0x0a00 "ieeepup", 0x0a01 "ieeepupat", 0x6000 "dec", 0x6001 "dna_dl", 0x6002 "dna_rc", 0x6003 "dna_rt",
    0x6004 "lat", 0x6005 "diag", 0x6006 "cust", 0x6007 "sca", 0x8035 "rarp", 0x809b "atalk", 0x80f3 "aarp",
    0x8137 "ipx", 0x86dd "ipv6", 0x8863 "ppp_disc", 0x8864 "ppp_ses", 0x884c "atmmpoa", 0x8884 "atmfate",
    0x0001 "802_3", 0x0002 "ax25", 0x0003 "all", 0x0004 "802_2", 0x0005 "snap", 0x0006 "ddcmp", 0x0007 "wan_ppp",
    0x0008 "ppp_mp", 0x0009 "localtalk", 0x000c "can", 0x0010 "ppptalk", 0x0011 "tr_802_2", 0x0015 "mobitex",
    0x0016 "control", 0x0017 "irda", 0x0018 "econet", 0x88ca "tipc", 0x8892 "profinet", 0x88a2 "aoe",
    0x88a4 "ethercat", 0x8100 "802.1Q", 0x88a8 "802.1ad", 0x8847 "mpls_uc", 0x8848 "mpls_mc", 0x6558 "teb",
    0x8902 "cfm", 0x88cc "LLDP", 0x0800 "ipv4",
}

impl Protocol {
    /// Reads a name, whatever its case, or a number.
    pub fn parse(word: &str) -> Option<u16> {
        let named = PROTOCOLS.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
        named.map(|(number, _)| *number).or_else(|| number(word)?.try_into().ok())
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "[{}]", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back() {
        for (number, name) in PROTOCOLS {
            assert_eq!(Protocol::parse(name), Some(*number), "{name}");
        }
        let rows = [("ALL", 3), ("lldp", 0x88cc), ("ipv4", 0x800), ("0x88cc", 0x88cc), ("4660", 0x1234)];
        for (word, protocol) in rows {
            assert_eq!(Protocol::parse(word), Some(protocol), "{word}");
        }
        for wrong in ["", "udp", "65536", "-1"] {
            assert_eq!(Protocol::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_without_a_name_stands_in_brackets() {
        assert_eq!([0x800, 0x1234].map(|number| Protocol(number).to_string()), ["ip", "[4660]"]);
    }
}
