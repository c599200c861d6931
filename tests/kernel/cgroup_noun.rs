//! `bpfasm cgroup`: programs of control groups in bpftool's words; what is shown is what bpftool shows.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
};

use bpfasm_tests::{
    Case, Need, Sandbox,
    cgroup::inside,
    cli::bpfasm,
    command,
    command::{finish, succeed},
    need::{BPFFS, BPFTOOL, CAP_BPF, CAP_NET_ADMIN, CGROUP2, CLI},
    net::link,
    sandbox,
};
use serde_json::Value;

use crate::{
    cgroup::{Servers, attached, object},
    fixture,
    hook::number,
};

const NEEDS: &[&Need] = &[&CAP_BPF, &CAP_NET_ADMIN, &CGROUP2, &BPFFS, &BPFTOOL, &CLI];

/// The cases.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("cgroup_words::shows_what_bpftool_shows", NEEDS, shows_what_bpftool_shows),
        Case::new("cgroup_words::blocks_until_detached", NEEDS, blocks_until_detached),
        Case::new("cgroup_words::connect_is_refused", NEEDS, connect_is_refused),
        Case::new("cgroup_words::modes_are_the_kernels", NEEDS, modes_are_the_kernels),
        Case::new("cgroup_words::detaches_only_what_is_named", NEEDS, detaches_only_what_is_named),
        Case::new("cgroup_words::what_makes_no_command", NEEDS, what_makes_no_command),
    ]
}

/// `bpfasm cgroup VERB GROUP`, followed by the words of a line.
fn cgroup(verb: &str, group: &Path, line: &str) -> Command {
    let mut command = bpfasm();
    command.args(["cgroup", verb]).arg(group).args(line.split_whitespace());
    command
}

/// Loads a program with bpftool and pins it.
fn pin(object: &Path) -> PathBuf {
    let pin = Path::new(sandbox::BPFFS).join(object.file_stem().unwrap());
    succeed(command!("bpftool", "prog", "load").arg(object).arg(&pin));
    pin
}

/// Writes an object with a program that denies all, whose name and tag no other program of this machine has: names and
/// tags are looked for in the whole kernel.
fn deny(sandbox: &Sandbox, section: &str) -> PathBuf {
    let folder = sandbox.scratch();
    let number = folder
        .file_name()
        .unwrap()
        .to_string_lossy()
        .bytes()
        .map(i32::from)
        .fold(0, |sum, byte| sum * 31 % 0xffffff + byte);
    fixture::returning_with(folder, section, &format!("deny_{number}"), fixture::CGROUP_DENY, number)
}

/// The name of its program.
fn name(object: &Path) -> String {
    object.file_stem().unwrap().to_string_lossy().into_owned()
}

/// The words must show the same with `bpfasm` as with `bpftool`: as JSON, and as text but for the width of columns.
#[track_caller]
fn compare(verb: &str, group: &Path, line: &str) {
    let theirs = |flag: Option<&str>| {
        succeed(command!("bpftool").args(flag).args(["cgroup", verb]).arg(group).args(line.split_whitespace()))
    };
    let shown = theirs(Some("-j"));
    // With nothing attached, bpftool shows no list.
    let expected = if shown.stdout.trim().is_empty() { Value::Array(Vec::new()) } else { sorted(shown.json()) };
    let before = succeed(bpfasm().args(["-j", "cgroup", verb]).arg(group).args(line.split_whitespace())).json();
    assert_eq!(sorted(before), expected, "{verb} {} {line}", group.display());
    let after = succeed(cgroup(verb, group, line).arg("--pretty")).json();
    assert_eq!(sorted(after), expected);
    let words = |text: &str| {
        let mut lines: Vec<Vec<String>> =
            text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect();
        lines.sort();
        lines
    };
    assert_eq!(words(&succeed(&mut cgroup(verb, group, line)).stdout), words(&theirs(None).stdout));
}

/// A tree by its paths; bpftool walks folders in no order.
fn sorted(mut shown: Value) -> Value {
    if let Some(rows) = shown.as_array_mut().filter(|rows| rows.iter().all(|row| row.get("cgroup").is_some())) {
        rows.sort_by_key(|row| row["cgroup"].as_str().map(str::to_owned));
    }
    shown
}

fn shows_what_bpftool_shows(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    let [a, b, c] = ["a", "a/b", "c"].map(|name| group.join(name));
    for below in [&a, &b, &c] {
        fs::create_dir(below).unwrap();
    }
    let compare_all = || {
        for group in [group, &a, &b, &c] {
            for (verb, line) in [("show", ""), ("show", "effective"), ("tree", ""), ("tree", "effective")] {
                compare(verb, group, line);
            }
        }
        compare("list", &b, "eff");
    };
    compare_all();

    let pass = pin(&fixture::cgroup_pass(sandbox.scratch(), "pass"));
    let sock_ops = pin(&fixture::returning(sandbox.scratch(), "sockops", "ops", 1));
    let line = |hook: &str, pin: &Path, mode: &str| format!("{hook} pinned {} {mode}", pin.display());
    succeed(
        command!("bpftool", "cgroup", "attach").arg(group).args(line("ingress", &pass, "multi").split_whitespace()),
    );
    succeed(&mut cgroup("attach", &a, &line("cgroup_inet_ingress", &pass, "override")));
    succeed(&mut cgroup("attach", &b, &line("sock_ops", &sock_ops, "override")));
    succeed(command!("bpftool", "cgroup", "attach").arg(&c).args(line("sock_ops", &sock_ops, "").split_whitespace()));
    let long = "a_name_that_is_longer_than_the_kernel_keeps";
    let connect = fixture::returning(sandbox.scratch(), "cgroup/connect4", long, 1);
    succeed(&mut cgroup("attach", &c, &format!("connect4 {} multi", connect.display())));
    let object = object(sandbox);
    succeed(bpfasm().arg("attach").arg(object).arg(format!("cgroup:{}:ingress", c.display())));
    compare_all();

    let shown = succeed(cgroup("show", &c, "").arg("-j")).json();
    let seen: Vec<_> =
        shown.as_array().unwrap().iter().map(|row| (row["name"].clone(), row["attach_flags"].clone())).collect();
    let expected = [("cgroup_ingress", "multi"), ("ops", ""), (long, "multi")];
    assert_eq!(seen, expected.map(|(name, flags)| (name.into(), flags.into())));
    // Without a folder, the whole hierarchy.
    let all = succeed(bpfasm().args(["cgroup", "tree", "--json"])).json();
    let mine = |row: &&Value| row["cgroup"].as_str().is_some_and(|path| path.contains(&*group.to_string_lossy()));
    assert_eq!(all.as_array().unwrap().iter().filter(mine).count(), 4);
    succeed(bpfasm().args(["cgroup", "tree", "effective"]));
}

fn blocks_until_detached(sandbox: &Sandbox) {
    let (group, servers) = (sandbox.cgroup(), Servers::start(sandbox));
    let object = object(sandbox);
    let file = object.display();
    let done = succeed(&mut cgroup("attach", group, &format!("ingress {file}")));
    assert_eq!(servers.reachable(), [false, true]);
    let id = attached(group)[0].0;
    let undo = format!("cgroup detach {} cgroup_inet_ingress id {id}", group.display());
    assert!(done.stderr.contains(&undo), "should print its undo, {undo:?}: {done}");
    succeed(&mut cgroup("detach", group, &format!("ingress id {id}")));
    assert_eq!((attached(group), servers.reachable()), (vec![], [true, true]));

    // What comes from a file carries our mark; what is pinned by others does not.
    succeed(&mut cgroup("attach", group, &format!("ing {file} program cgroup_ingress multi")));
    succeed(bpfasm().arg("detach").arg(format!("cgroup:{}:ingress", group.display())));
    let deny = deny(sandbox, "cgroup_skb/ingress");
    let pin = pin(&deny);
    for program in [format!("pinned {}", pin.display()), format!("name {}", name(&deny)), format!("tag {}", tag(&pin))]
    {
        succeed(&mut cgroup("attach", group, &format!("cgroup_skb/ingress {program} multi")));
        assert_eq!(servers.reachable(), [false, false], "{program}");
        finish(bpfasm().arg("detach").arg(format!("cgroup:{}:ingress", group.display()))).exits_with(7);
        succeed(&mut cgroup("detach", group, &format!("ingress {program}")));
        assert_eq!((attached(group), servers.reachable()), (vec![], [true, true]));
    }
}

fn tag(pin: &Path) -> String {
    let shown = succeed(command!("bpftool", "-j", "prog", "show", "pinned").arg(pin)).json();
    shown["tag"].as_str().unwrap().to_owned()
}

fn connect_is_refused(sandbox: &Sandbox) {
    link::set_up("lo", &[]).unwrap();
    let group = sandbox.cgroup();
    let server = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let connect = || inside(group, || TcpStream::connect(server.local_addr().unwrap()).map(drop));
    connect().unwrap();
    let deny = deny(sandbox, "cgroup/connect4");
    succeed(&mut cgroup("attach", group, &format!("connect4 {}", deny.display())));
    assert_eq!(connect().unwrap_err().kind(), ErrorKind::PermissionDenied);
    succeed(&mut cgroup("detach", group, &format!("connect4 name {}", name(&deny))));
    connect().unwrap();
}

fn modes_are_the_kernels(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    let below = group.join("below");
    fs::create_dir(&below).unwrap();
    let [first, second] = ["first", "second"].map(|name| pin(&fixture::cgroup_pass(sandbox.scratch(), name)));
    let attach = |group: &Path, pin: &Path, mode: &str| {
        cgroup("attach", group, &format!("ingress pinned {} {mode}", pin.display()))
    };
    let detach = |pin: &Path| cgroup("detach", group, &format!("ingress pinned {}", pin.display()));

    succeed(&mut attach(group, &first, ""));
    finish(&mut attach(group, &first, "")).exits_with(8).says(&["attached at", "already"]);
    finish(&mut attach(group, &second, "multi")).exits_with(8).says(&["does not go together"]);
    finish(&mut attach(&below, &second, "multi")).exits_with(8).says(&["allows none below"]);
    let old = attached(group)[0].0;
    succeed(&mut attach(group, &second, "")).says(&[&format!("it took the place of program {old}")]);
    assert_eq!(attached(group).len(), 1);
    finish(&mut detach(&first)).exits_with(7).says(&["is not attached at"]);
    succeed(&mut detach(&second));

    succeed(&mut attach(group, &first, "multi"));
    succeed(&mut attach(group, &second, "multi"));
    finish(&mut attach(group, &second, "multi")).exits_with(8);
    assert_eq!(attached(group).iter().map(|(_, flags)| flags.as_str()).collect::<Vec<_>>(), ["multi", "multi"]);
}

fn detaches_only_what_is_named(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    let hook = format!("cgroup:{}:ingress", group.display());
    succeed(bpfasm().arg("attach").arg(object(sandbox)).arg(&hook));
    let [(id, _)] = &attached(group)[..] else { panic!("one program expected") };
    finish(&mut cgroup("detach", group, &format!("ingress id {id}"))).exits_with(7).says(&["but by link"]);
    assert_eq!(attached(group).len(), 1);
    let other = pin(&fixture::cgroup_pass(sandbox.scratch(), "other"));
    finish(&mut cgroup("detach", group, &format!("ingress pinned {}", other.display()))).exits_with(7);
    let line = format!("egress pinned {}", other.display());
    finish(&mut cgroup("detach", group, &line)).exits_with(7).says(&["is not attached at"]);
    let shown = succeed(command!("bpftool", "-j", "prog", "show", "pinned").arg(&other)).json();
    finish(&mut cgroup("detach", group, &format!("connect4 id {}", number(&shown["id"])))).exits_with(7);
    succeed(bpfasm().arg("detach").arg(&hook));
}

fn what_makes_no_command(sandbox: &Sandbox) {
    let group = sandbox.cgroup();
    let pass = fixture::cgroup_pass(sandbox.scratch(), "pass");
    let pinned = format!("pinned {}", pin(&pass).display());
    let file = pass.display();
    let rows: [(&str, String, i32, &[&str]); 10] = [
        ("attach", format!("sideways {pinned}"), 2, &["`sideways` is no hook of control groups"]),
        ("attach", "ingress".to_owned(), 2, &["required"]),
        ("attach", "ingress pinned".to_owned(), 2, &["pinned is missing", "it is written"]),
        ("attach", format!("ingress {pinned} many"), 2, &["`many` is not multi or override"]),
        ("attach", "ingress id 4294967295".to_owned(), 7, &["no program with id 4294967295"]),
        ("attach", "ingress name nobody".to_owned(), 7, &["no program with name `nobody`"]),
        ("attach", format!("connect4 {pinned}"), 2, &["cgroup_inet4_connect takes cgroup_sock_addr only"]),
        ("attach", format!("egress {file}"), 2, &["pass (cgroup_skb/ingress)"]),
        ("detach", format!("ingress {file}"), 2, &["is not id, pinned, tag or name"]),
        ("show", "affected".to_owned(), 2, &["the only word here is `effective`"]),
    ];
    for (verb, line, code, says) in rows {
        finish(&mut cgroup(verb, group, &line)).exits_with(code).says(says);
    }
    finish(&mut cgroup("show", sandbox.scratch(), "")).exits_with(2).says(&["is no control group"]);
    finish(&mut cgroup("tree", &group.join("none"), "")).exits_with(7).says(&["no control group"]);
    assert_eq!(attached(group), []);
}
