//! An object's types, made ready for the kernel.

use std::os::fd::OwnedFd;

use bpfasm_object::btf::{self, Btf, IntEncoding, Param, SymbolLinkage, TypeId};
use bpfasm_object::{KernelBtf, Object};

use super::{malformed_by, reason};
use crate::privilege::Action;
use crate::sys::{self, BtfLoad, Errno};
use crate::{Error, memlock, owner};

/// The object with our mark in its types, and with a type for each function that has none: the kernel shows us the
/// types of a program only if all of its functions are typed.
pub(super) fn prepare(object: &Object) -> Result<Object, Error> {
    let mut object = object.clone();
    owner::mark(&mut object.btf).map_err(malformed_by)?;
    for function in &mut object.functions {
        if function.type_id.is_none() {
            // A name that no type can have costs the program its types, and no more.
            function.type_id = untyped(&mut object.btf, &function.name).ok();
        }
    }
    Ok(object)
}

/// The type of a function of which nothing is known: `static int f(void *ctx)`. The verifier follows a static function
/// whatever its type says.
fn untyped(types: &mut Btf, name: &str) -> Result<TypeId, btf::Error> {
    let int = types.int("int", 4, IntEncoding::SIGNED)?;
    let context = types.ptr(TypeId::VOID);
    let proto = types.func_proto(int, &[Param { name: "ctx", type_id: context }])?;
    types.func(&btf::mangle(name), proto, SymbolLinkage::STATIC)
}

/// Loads the types, `btf` of `object`; in older kinds of types, if the kernel does not know all of these. `None` if there
/// are none.
pub(super) fn load(object: &Object, btf: &KernelBtf) -> Result<Option<OwnedFd>, Error> {
    if btf.is_empty() {
        return Ok(None);
    }
    match load_bytes(btf).or_else(|errno| if errno == Errno::EINVAL { load_plain(object, errno) } else { Err(errno) }) {
        Ok(fd) => Ok(Some(fd)),
        Err(errno) => Err(explain(btf, errno)),
    }
}

fn load_bytes(btf: &KernelBtf) -> Result<OwnedFd, Errno> {
    memlock::retry(|| sys::btf_load(&mut BtfLoad { btf: btf.bytes(), log: &mut [] }), |&(errno, _)| errno)
        .map_err(|(errno, _)| errno)
}

/// Loads the types in older kinds, if that makes a difference. Offsets of strings are the same.
fn load_plain(object: &Object, refusal: Errno) -> Result<OwnedFd, Errno> {
    let plain = object.btf.plain();
    if plain == object.btf {
        return Err(refusal);
    }
    let object = Object { btf: plain, ..object.clone() };
    object.kernel_btf().map_err(|_| refusal).and_then(|btf| load_bytes(&btf).map_err(|_| refusal))
}

/// Asks for the reason of a refusal.
fn explain(btf: &KernelBtf, errno: Errno) -> Error {
    if errno == Errno::EPERM {
        return Error::sys(Action::LOAD_BTF, errno);
    }
    let (_, log) = reason::with_log(|log| sys::btf_load(&mut BtfLoad { btf: btf.bytes(), log }));
    if log.is_empty() { Error::sys(Action::LOAD_BTF, errno) } else { Error::BtfRejected { log: Box::new(log) } }
}
