//! `raft-cli`: every command, every exit code, text and JSON.

use crate::fake::{Does, FakeNode, refuse};
use crate::harness::{Cluster, Ran, cli_command};
use raft_core::error::Error;
use raft_core::id::ClusterId;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

const OK: &str = "OK (committed to 3/3 nodes)\n";

#[test]
fn every_command_does_what_the_contract_says() {
    let cluster = Cluster::start();
    let cli = |arguments: &[&str]| cluster.cli(arguments);

    let missing = cli(&["get", "name"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (3, ""));
    assert!(is_one_sentence(&missing.stderr), "{missing:?}");
    assert_eq!(cli(&["delete", "name"]).all(), (0, "OK (key did not exist)\n", ""));
    assert_eq!(cli(&["set", "name", "Alice", "--if-absent"]).all(), (0, OK, ""));
    assert_eq!(cli(&["set", "name", "Bob", "--if-absent"]).code, 4);
    assert_eq!(cli(&["set", "name", "Bob", "--if-value", "Carol"]).code, 4);
    assert_eq!(cli(&["set", "name", "Bob", "--if-value", "Alice"]).all(), (0, OK, ""));
    let revision = cli(&["--json", "get", "name"]).json()["modified"].to_string();
    assert_eq!(cli(&["set", "name", "Carol", "--if-revision", "1"]).code, 4);
    assert_eq!(cli(&["set", "name", "Carol", "--if-revision", &revision]).all(), (0, OK, ""));
    assert_eq!(cli(&["get", "name"]).all(), (0, "Carol\n", ""));
    assert_eq!(cli(&["--raw", "get", "name"]).all(), (0, "Carol", ""));
    assert_eq!(cli(&["delete", "name"]).all(), (0, OK, ""));
    assert_eq!(cli(&["get", "name"]).code, 3);

    assert_eq!(cli(&["set", "offset", "-5"]).all(), (0, OK, ""));
    assert_eq!(cli(&["set", "offset", "--if-value", "-5", "--", "--6"]).all(), (0, OK, ""));
    assert_eq!(cli(&["get", "offset"]).all(), (0, "--6\n", ""));
    assert_eq!(cli(&["set", "empty", ""]).all(), (0, OK, ""));
    assert_eq!(cli(&["get", "empty"]).all(), (0, "\n", ""));
}

#[test]
fn a_client_that_does_not_know_the_leader_is_served_all_the_same() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    let others: Vec<u64> = (1..=3).filter(|id| *id != leader).collect();
    let addresses: Vec<&str> = others.iter().map(|id| cluster.address(*id)).collect();
    for list in [addresses.join(","), addresses[0].to_owned()] {
        let ask = |arguments: &[&str]| {
            let ran = cluster.cli(["--cluster", &list].iter().chain(arguments));
            assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
            ran.stdout
        };
        assert_eq!(ask(&["set", "name", "Alice"]), "OK (committed to 3/3 nodes)\n");
        assert_eq!(
            ask(&["set", "name", "Bob", "--if-value", "Alice"]),
            "OK (committed to 3/3 nodes)\n"
        );
        assert_eq!(ask(&["get", "name"]), "Bob\n");
        assert_eq!(ask(&["list"]), "name\tBob\n");
        assert_eq!(ask(&["delete", "name"]), "OK (committed to 3/3 nodes)\n");
        let line = format!("  Node {leader}: LEADER    ");
        assert!(ask(&["status"]).contains(&line));
        assert!(ask(&["member", "list"]).contains(&format!("  Node {leader}: VOTER     ")));
        // Only the leader can do these, and who does not lead says where it is.
        let old = others[1].to_string();
        assert!(ask(&["member", "remove", &old, "--dry-run"]).starts_with("Would be done ("));
        let to = others[0].to_string();
        assert_eq!(ask(&["transfer", &to]), format!("OK (node {to} leads)\n"));
        assert_eq!(cluster.cli(["transfer", &leader.to_string()]).code, 0);
        assert_eq!(cluster.leader(), leader);
    }
}

#[test]
fn keys_and_values_are_bytes() {
    let cluster = Cluster::start();
    let (key, value) = (OsStr::from_bytes(b"k\xff"), OsStr::from_bytes(b"a\tb\n\xfe"));
    assert_eq!(cluster.cli([OsStr::new("set"), key, value]).all(), (0, OK, ""));
    let mut get = cli_command();
    let output = get.env("RAFT_CLUSTER", cluster.list()).args(["--raw", "get"]).arg(key).output();
    assert_eq!(output.unwrap().stdout, b"a\tb\n\xfe");
    let get = cluster.cli([OsStr::new("--json"), OsStr::new("get"), key]).json();
    assert_eq!(get["key"], json!({ "base16": "6bff" }));
    assert_eq!(get["value"], json!({ "base16": "6109620afe" }));
    assert_eq!(cluster.cli(["list"]).all(), (0, "k\\xFF\ta\\tb\\n\\xFE\n", ""));
}

#[test]
fn a_list_goes_through_all_pages_in_the_order_of_the_keys() {
    const KEYS: u64 = 2_345;
    let cluster = Cluster::start();
    crate::load::block_on(async {
        use raft_native::client::Client;
        let clients = (0..16).map(async |first| {
            let mut client =
                Client::new(cluster.addresses().to_vec(), std::time::Duration::from_secs(20));
            for number in (first..KEYS).step_by(16) {
                let key = format!("user/{number:05}");
                crate::load::set(&mut client, &key, &number.to_string()).await.unwrap();
            }
        });
        futures_util::future::join_all(clients).await;
    });
    assert_eq!(cluster.cli(["set", "other", "x"]).code, 0);
    let line = |number: u64| format!("user/{number:05}\t{number}\n");
    let all: String = (0..KEYS).map(line).collect();
    assert_eq!(cluster.cli(["list", "user/"]).all(), (0, all.as_str(), ""));
    assert_eq!(cluster.cli(["list"]).all(), (0, format!("other\tx\n{all}").as_str(), ""));
    assert_eq!(cluster.cli(["list", "nobody/"]).all(), (0, "", ""));
    for limit in [1, 1_000, 1_001, 2_344] {
        let some: String = (0..limit).map(line).collect();
        let list = cluster.cli(["list", "user/", "--limit", &limit.to_string()]);
        assert_eq!(list.all(), (0, some.as_str(), ""));
    }
    let keys: String = (0..3).map(|number| format!("user/{number:05}\n")).collect();
    let list = cluster.cli(["list", "user/", "--keys-only", "--limit", "3"]);
    assert_eq!(list.all(), (0, keys.as_str(), ""));
    let list = cluster.cli(["--json", "list", "user/0000", "--limit", "2"]);
    let items: Vec<Value> =
        list.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let values: Vec<&Value> = items.iter().map(|item| &item["value"]).collect();
    assert_eq!(values, [&json!("0"), &json!("1")]);

    // Whoever reads may stop, as `raft-cli list | head -1` does.
    let mut list = cli_command();
    list.args(["--cluster", &cluster.list(), "list"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = list.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn json_answers_have_stable_fields() {
    let cluster = Cluster::start();
    let set = cluster.cli(["--json", "set", "name", "Alice"]).json();
    assert_eq!(set["existed"], false);
    assert_eq!(set["copies"], json!({ "have": 3, "of": 3 }));
    let get = cluster.cli(["get", "name", "--json"]).json();
    let expected = json!({
        "key": "name", "value": "Alice", "node": 1,
        "created": set["revision"], "modified": set["revision"],
    });
    assert_eq!(get, expected);
    let delete = cluster.cli(["delete", "name", "--json"]).json();
    assert_eq!(delete["existed"], true);
    let status = cluster.cli(["--json", "status"]).json();
    assert_eq!(status["trouble"], Value::Null);
    assert_eq!(status["nodes"].as_array().map(Vec::len), Some(3));
    for (place, node) in status["nodes"].as_array().unwrap().iter().enumerate() {
        assert_eq!(node["node"], place + 1);
        assert_eq!(node["address"], cluster.addresses()[place].as_str());
        assert_eq!(node["status"]["leader"], status["leader"]);
    }

    let failed = cluster.cli(["--json", "set", "name", "Bob", "--if-revision", "1"]);
    let error = failed.json_error();
    assert_eq!((failed.code, &error["code"]), (4, &json!("condition_failed")));
    assert_eq!(error["revision"], Value::Null);
    let too_large = cluster.cli(["--json", "get", &"k".repeat(5_000)]);
    let error = too_large.json_error();
    assert_eq!((too_large.code, &error["code"]), (8, &json!("too_large")));
    assert_eq!((&error["limit"], &error["actual"]), (&json!(4_096), &json!(5_000)));
    let usage = cluster.cli(["--json", "get"]);
    assert_eq!((usage.code, &usage.json_error()["code"]), (2, &json!("invalid")));
}

#[test]
fn every_kind_of_failure_has_its_exit_code_and_one_sentence() {
    let cluster = Cluster::start();
    let fails = |list: &str, arguments: &[&str], code: i32, named: &str| {
        let ran =
            Ran::of(cli_command().args(["--timeout", "3", "--cluster", list]).args(arguments));
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
        assert!(is_one_sentence(&ran.stderr) && ran.stderr.contains(named), "{ran:?}");
    };
    let list = cluster.list();
    fails(&list, &["get"], 2, "<KEY>");
    fails(&list, &["get", "name", "--no-such-flag"], 2, "--no-such-flag");
    fails(&list, &["set", "a", "b", "--if-absent", "--if-value", "c"], 2, "--if-value");
    fails(&list, &["list", "--limit", "0"], 2, "--limit");
    fails(&list, &["--timeout", "-1", "get", "name"], 2, "--timeout");
    fails("localhost", &["get", "name"], 2, "localhost");
    fails(&list, &["get", ""], 2, "empty");
    fails(&list, &["get", "no-such-key"], 3, "not found");
    fails(&list, &["set", "name", "x", "--if-revision", "7"], 4, "condition failed");
    // A name of this machine that the node is not known by.
    let renamed = cluster.address(1).replace("localhost", "127.1");
    fails(&renamed, &["get", "name"], 7, "denied");
    fails(&list, &["set", &"k".repeat(4_097), "x"], 8, "4096");
    let other = Cluster::start();
    let mixed = format!("{},{}", cluster.address(1), other.address(2));
    fails(&mixed, &["status"], 9, "wrong cluster");

    // What real nodes say rarely. Most of it is tried again until the time is up, so all at once.
    let nobody = Cluster::prepare();
    let answers = [
        (refuse(Error::NoQuorum), 5, "no leader"),
        (refuse(Error::OutcomeUnknown), 6, "may or may not"),
        (Does::Nothing, 6, "may or may not"),
        (refuse(Error::Denied { reason: "no; ask nicely".to_owned() }), 7, "ask nicely"),
        (refuse(Error::Overloaded { retry_after_ms: 5 }), 8, "overloaded"),
        (refuse(Error::DiskFull), 8, "disk full"),
    ];
    let foreign = Error::ClusterMismatch { have: ClusterId(1), want: ClusterId(2) };
    let greetings = [
        (Error::VersionMismatch { have: 0, want: 1 }, 9, "wrong protocol version"),
        (foreign, 9, "wrong cluster"),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| fails(&nobody.list(), &["get", "name"], 5, "no node answers"));
        scope.spawn(|| fails(&nobody.list(), &["set", "name", "x"], 5, "nothing was done"));
        for (answer, code, named) in answers {
            let node = FakeNode::start(1, vec![answer]);
            scope.spawn(move || fails(&node.address, &["set", "name", "x"], code, named));
        }
        for (error, code, named) in greetings {
            let node = FakeNode::refusing(error);
            scope.spawn(move || fails(&node.address, &["get", "name"], code, named));
        }
    });
}

#[test]
fn an_answer_that_cannot_be_printed_is_a_failure_of_its_own() {
    let cluster = Cluster::start();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut set = cli_command();
    set.args(["--cluster", &cluster.list(), "set", "name", "Alice"]).stdout(full);
    let output = set.stderr(Stdio::piped()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(is_one_sentence(&stderr), "{stderr}");
}

#[test]
fn help_version_and_completions_need_no_cluster() {
    let nobody = Cluster::prepare();
    for command in ["set", "get", "delete", "list", "status", "completions"] {
        let help = nobody.cli([command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""));
        assert!(help.stdout.contains("Examples:"), "{}", help.stdout);
        assert_eq!(nobody.cli([command, "--version"]).code, 0);
    }
    let help = nobody.cli(["--help"]);
    for code in 0..=9 {
        assert!(help.stdout.contains(&format!("\n  {code}  ")), "{}", help.stdout);
    }
    let version = nobody.cli(["--version"]);
    assert_eq!(version.all(), (0, concat!("raft-cli ", env!("CARGO_PKG_VERSION"), "\n"), ""));
    for shell in ["bash", "zsh", "fish"] {
        let script = nobody.cli(["completions", shell]);
        assert_eq!(script.code, 0);
        assert!(script.stdout.contains("--if-absent") || script.stdout.contains("if-absent"));
    }
}

/// `error: what happened; what to do`, in one line.
fn is_one_sentence(stderr: &str) -> bool {
    let line = stderr.strip_suffix('\n').unwrap_or_default();
    line.starts_with("error: ") && line.contains("; ") && !line.contains('\n')
}

impl Ran {
    /// The one object on standard output.
    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one object on standard error.
    fn json_error(&self) -> Value {
        assert_eq!(self.stdout, "", "{self:?}");
        serde_json::from_str(&self.stderr).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
