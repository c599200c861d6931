use bpfasm::prelude::*;

#[map]
static SLOTS: Array<U16> = Array::new(16);

#[map]
const NO_STATIC: Array<U16> = Array::new(16);

#[map]
static NO_MAP: u32 = 5;

#[program(tc)]
fn misuses(_skb: &mut Tc) -> TcAction {
    SLOTS.delete(3);
    if let Some(slot) = SLOTS.lookup(3) {
        slot.add(1);
        slot.set(5u32);
    }
    TcAction::OK
}

fn main() {}
