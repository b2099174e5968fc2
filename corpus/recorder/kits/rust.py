"""Cargo workspaces: cargo fetch, cargo build, cargo test."""
import os

from build import wipe
from kits.base import Fault, Kit, Stage, Trouble, numbers, pascal, without
import common

SOURCE = '''//! {title}: {mod}.
use std::collections::BTreeMap;

/// Weight of every amount.
pub const FACTOR: i64 = {factor};

#[derive(Debug, Clone, PartialEq)]
pub enum {cls}Error {{
    Empty,
    Broken(String),
}}

/// Weighted sum of the amounts of one {noun}.
pub fn total(amounts: &[i64]) -> Result<i64, {cls}Error> {{
    if amounts.is_empty() {{
        return Err({cls}Error::Empty);
    }}
    let mut sum = 0;
    for (i, amount) in amounts.iter().enumerate() {{
        sum += amount * FACTOR + i as i64;
    }}
    Ok(sum)
}}

/// Reads "a=1;b=2".
pub fn parse(text: &str) -> Result<BTreeMap<String, i64>, {cls}Error> {{
    let mut found = BTreeMap::new();
    for part in text.split(';') {{
        let (key, value) = part.split_once('=').ok_or_else(|| {{
            eprintln!("error: {noun} field {{part:?}} has no value");
            {cls}Error::Broken(part.to_string())
        }})?;
        found.insert(key.trim().to_string(), value.trim().parse().map_err(|_| {cls}Error::Broken(value.to_string()))?);
    }}
    Ok(found)
}}

#[cfg(test)]
mod tests {{
    use super::*;
{cases}
    #[test]
    fn empty_{noun}_is_an_error() {{
        assert_eq!(total(&[]), Err({cls}Error::Empty));
    }}

    #[test]
    fn parses_two_fields() {{
        assert_eq!(parse("a=1;b=2").unwrap().len(), 2);
    }}

    #[test]
    fn refuses_broken_fields() {{
        assert!(parse("a=1;oops").is_err());
    }}
}}
'''


class Cargo(Kit):
    tool, registry_kind = "cargo", "crates"
    survivors = ("git_retry", "registry_hiccup", "clippy_allowed", "retry_passes", "should_panic", "warnings", "cache_miss")
    FAILED = r"FAILED|panicked at|test result: FAILED|failures:|SIGSEGV|signal"
    BUILD = r"^\s*error(\[E\d+\])?:|\berror(\[E\d+\])?: "

    def create(self, job):
        rng, spec = job.rng, job.spec
        job.write("Cargo.toml", f"[package]\nname = \"{spec.name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[dependencies]\n" + "".join(f"{d} = \"*\"\n" for d in spec.options.get("requires", ["itoa", "fnv"])) + "\n[profile.dev]\ndebug = 0\n\n[profile.test]\ndebug = 0\n")
        job.write(".gitignore", "target\nCargo.lock\n")
        job.write("src/lib.rs", f"//! {spec.title}.\n" + "".join(f"pub mod {m};\n" for m in spec.mods) + "mod revision;\n")
        job.write("src/revision.rs", "#[allow(dead_code)]\npub const REVISION: u32 = 0;\n")
        job.write("src/main.rs", f"fn main() {{\n    println!(\"{spec.name}\");\n}}\n")
        for mod in spec.mods:
            factor, noun = rng.randint(2, 9), rng.choice(spec.nouns)
            cases = ""
            for i in range(spec.options.get("cases", 8)):
                row = numbers(rng, rng.randint(1, 5))
                label = f', "total of {noun} {i + 1}"' if rng.random() < 0.3 else ""
                cases += f"\n    #[test]\n    fn totals_{noun}_{i + 1}() {{\n        assert_eq!(total(&{row}), Ok({sum(a * factor + k for k, a in enumerate(row))}){label});\n    }}\n"
            job.write(f"src/{mod}.rs", SOURCE.format(title=spec.title, mod=mod, cls=pascal(mod), noun=noun, factor=factor, cases=cases))
        job.write("tests/survives.rs", "#[test]\nfn nothing() {}\n")
        job.commit("Initial import")

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        job.write("src/revision.rs", f"#[allow(dead_code)]\npub const REVISION: u32 = {number};\n")
        return message

    def for_survivors(self, job, survivors, rng):
        mod = job.spec.mods[0]
        text = ""
        if "should_panic" in survivors:
            text += f"#[test]\n#[should_panic(expected = \"{mod} overflow\")]\nfn overflow_panics() {{\n    panic!(\"{mod} overflow at 17\");\n}}\n\n#[test]\nfn thread_panic_is_caught() {{\n    let ended = std::thread::spawn(|| panic!(\"worker of {mod} gave up\")).join();\n    assert!(ended.is_err());\n}}\n\n"
        if "warnings" in survivors:
            text += "#[test]\nfn warns() {\n    let unused = 3;\n    let mut never = 1;\n}\n"
        job.write("tests/survives.rs", text or "#[test]\nfn nothing() {}\n")

    def configure_registry(self, b):
        b.put("/home/jenkins/.cargo/config.toml", f"[source.crates-io]\nreplace-with = \"mirror\"\n[source.mirror]\nregistry = \"sparse+{b.registry('crates')}/index/\"\n[net]\nretry = {b.job.spec.options.get('retries', 1)}\n[http]\ntimeout = 4\n[term]\ncolor = \"never\"\n")

    def stages(self, b):
        o = b.job.spec.options
        self.configure_registry(b)
        b.env.update({"CARGO_INCREMENTAL": "0", "CARGO_BUILD_JOBS": "2"})
        if "registry_hiccup" in b.survivors:
            b.job.mirror.trouble = Trouble(b.rng.choice((503, "reset")), after=b.rng.randint(0, 5), times=1)
        if b.rng.random() < 0.35 or (b.fault and b.fault.point == "deps") or "registry_hiccup" in b.survivors:
            wipe("/home/jenkins/.cargo/registry")
            wipe(f"{b.job.workspace}/Cargo.lock")
            if os.path.exists(f"{b.job.workspace}/Cargo.lock"):
                os.unlink(f"{b.job.workspace}/Cargo.lock")

        def deps(b):
            if "cache_miss" in b.survivors:
                b.sh("tar xf /home/jenkins/cache/target-$JOB_NAME.tar || true", "prepare")
            b.sh("rustc --version\ncargo --version\ncargo fetch", "deps")

        def compile_step(b):
            if b.rng.random() < 0.3 or (b.fault and b.fault.name in ("disk_full", "memory")):
                b.sh("cargo clean", "prepare")
            b.sh(f"cargo build {o.get('flags', '')}", "build")

        def unit(b):
            with b.timeout(o.get("minutes", 10)):
                threads = " --test-threads=1" if o.get("serial") else ""
                command = f"cargo test {o.get('test', '')} -- {threads}{' --nocapture' if o.get('nocapture') else ''}"
                if "retry_passes" in b.survivors:
                    b.retry(2, lambda: b.sh(f"test -e /tmp/cargo-{b.number} || {{ touch /tmp/cargo-{b.number}; echo 'error: emulator not reachable: Connection refused (os error 111)'; exit 101; }}\n{command}", "test"))
                else:
                    b.sh(command, "test")

        def clippy(b):
            if "clippy_allowed" in b.survivors and not (b.fault and b.fault.point == "lint"):
                b.sh("cargo fmt --check || true\ncargo rustc --lib -q -- -D missing_docs || true", "lint")
            elif o.get("lint"):
                b.sh("cargo rustc --lib -- -D unused -D non_snake_case", "lint")
            else:
                b.sh("cargo check --tests", "lint")

        return [Stage("Fetch", deps), Stage("Build", compile_step), Stage("Check", clippy), Stage("Test", unit), Stage("Package", lambda b: b.sh("cargo package --allow-dirty --no-verify --list | head -n 40\ndu -sh target", "package"))]

    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def change(self, b, name, cause, point, see, old, new):
        mod = self.mod(b)
        return Fault(name, cause, point, see, edit=lambda job: job.replace(f"src/{mod}.rs", old, new))

    def fault_compile(self, b):
        old, new = b.rng.choice((("let mut sum = 0;", "let sum = 0;"), ("let mut sum = 0;", "let mut sum = 0"), ("amount * FACTOR", "amount * FACTORS"), ("    Ok(sum)\n", "    sum\n"), ("i as i64", "i"), ("    Ok(found)\n", "    let moved = found;\n    Ok(found)\n"), ("use std::collections::BTreeMap;", "use std::collections::BTreeMaps;"), ("    Ok(sum)\n}", "    Ok(sum)\n"), ("Err(", "Err(&"), ("text.split(';')", "text.splits(';')")))
        return self.change(b, "compile", "compile_error", "build", self.BUILD, old, new)

    def fault_test_compile(self, b):
        old, new = b.rng.choice((("    use super::*;\n", ""), ('parse("a=1;b=2").unwrap()', 'parse(12).unwrap()'), ("assert!(parse(", "assert!(parses(")))
        return self.change(b, "test_compile", "compile_error", "lint" if not b.job.spec.options.get("lint") else "test", self.BUILD, old, new)

    def fault_assertion(self, b):
        old, new = b.rng.choice((("FACTOR + i as i64", "FACTOR - i as i64"), ("let mut sum = 0;", "let mut sum = 1;"), ("return Err(", "let _ = Err::<i64, _>("), ("if amounts.is_empty()", "if amounts.len() < 2")))
        return self.change(b, "assertion", "test_failure", "test", self.FAILED, old, new)

    def fault_panic(self, b):
        old, new = b.rng.choice((("let mut sum = 0;", "let mut sum = amounts[amounts.len()];"), ("let mut sum = 0;", "let none: Option<i64> = None;\n    let mut sum = none.unwrap();"), ("let mut sum = 0;", "let mut sum = \"x\".parse::<i64>().unwrap();"), ("let mut sum = 0;", "let shared = std::cell::RefCell::new(0i64);\n    let _one = shared.borrow_mut();\n    let mut sum = *shared.borrow_mut();"), ("let mut sum = 0;", "let mut sum = 10 / (amounts.len() as i64 - amounts.len() as i64);")))
        return self.change(b, "panic", "test_failure", "test", self.FAILED, old, new)

    def fault_crash(self, b):
        old, new = b.rng.choice((("let mut sum = 0;", "let mut sum = unsafe { *(8 as *const i64) };"), ("let mut sum = 0;", "std::process::abort();\n    #[allow(unreachable_code)]\n    let mut sum = 0;"), ("let mut sum = 0;", "fn deep(n: i64) -> i64 { if n == -1 { 0 } else { let a = [n; 4096]; deep(n + 1) + a[7] } }\n    let mut sum = deep(0);")))
        return self.change(b, "crash", "test_failure", "test", r"signal|SIGSEGV|SIGABRT|overflowed its stack|did not exit", old, new)

    def fault_flaky(self, b):
        body = b.rng.choice((
            "let began = std::time::Instant::now();\n        std::thread::sleep(std::time::Duration::from_micros(2000));\n        let spent = began.elapsed().as_micros();\n        assert!(spent < 2010, \"tick took {spent} us, deadline 2010 us\");",
            "let (tx, rx) = std::sync::mpsc::channel();\n        std::thread::spawn(move || { std::thread::sleep(std::time::Duration::from_millis(150)); let _ = tx.send(1); });\n        assert_eq!(rx.recv_timeout(std::time::Duration::from_millis(20)), Ok(1), \"message did not arrive in time\");",
            "use std::hash::{BuildHasher, Hasher};\n        let seed = std::collections::hash_map::RandomState::new().build_hasher().finish();\n        assert_eq!(seed % 97, 13, \"shuffle with random seed {seed} differs\");"))
        return self.change(b, "flaky", "flaky_test", "test", self.FAILED, "    #[test]\n    fn parses_two_fields", f"    #[test]\n    fn arrives_in_time() {{\n        {body}\n    }}\n\n    #[test]\n    fn parses_two_fields")

    def fault_hang(self, b):
        return self.change(b, "hang", "timeout", "test", r"has been running for over|Cancelling nested|timed out", "let mut sum = 0;", b.rng.choice(("let gate = std::sync::Mutex::new(0i64);\n    let _held = gate.lock().unwrap();\n    let mut sum = *gate.lock().unwrap();", "loop { std::thread::park(); if amounts.len() > 1000 { break; } }\n    let mut sum = 0;")))

    def fault_memory(self, b):
        if b.rng.random() < 0.5:
            return Fault("memory", "out_of_memory", "build", r"(?i)memory allocation|out of memory|cannot allocate|SIGABRT|SIGKILL|signal", arm=lambda b: setattr(b.limits, "address", b.rng.choice((200, 260)) << 20))
        return Fault("killed", "out_of_memory", "test", r"SIGKILL|signal: 9|Killed|memory allocation", arm=lambda b: setattr(b.limits, "resident", 300 << 20),
                     edit=lambda job: job.replace(f"src/{b.job.spec.mods[0]}.rs", "let mut sum = 0;", "let mut hoard = Vec::new();\n    for n in 0..200u8 {\n        hoard.push(vec![n | 1; 8 << 20]);\n    }\n    let mut sum = 0 * hoard.len() as i64;"))

    def fault_disk_full(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/target")
            common.mount_small(f"{b.job.workspace}/target", b.rng.choice((300, 900, 3000)))(b)
        return Fault("disk_full", "disk_full", "build", common.DISK, arm=arm)

    def fault_conflict(self, b):
        line = b.rng.choice(('semver = "99"\n', 'hex = "=0.1.7"\n', 'ledger-core = "1"\n', 'bitflags = { version = "2", features = ["turbo"] }\n', 'itoa = "=0.4.0"\n'))
        return Fault("conflict", "dependency", "deps", self.BUILD, edit=lambda job: job.replace("Cargo.toml", "[dependencies]\n", "[dependencies]\n" + line) if line.split()[0] + " " not in job.read("Cargo.toml") else job.replace("Cargo.toml", "[dependencies]\n", "[dependencies]\nrange-tree-x = \"3\"\n"))

    def fault_manifest(self, b):
        old, new = b.rng.choice((("[dependencies]", "[dependencies"), ('edition = "2021"', 'edition = "2081"'), ('version = "0.1.0"', 'version = "one"')))
        return Fault("manifest", "config", "deps", self.BUILD, edit=lambda job: job.replace("Cargo.toml", old, new))

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "deps", r"not found|No such file|could not execute", arm=lambda b: without(b, *b.rng.choice((("cargo",), ("rustc",)))))

    def fault_linker(self, b):
        return Fault("linker", "config", "test", r"linker `cc` not found|linker", arm=lambda b: without(b, "cc", "gcc", "clang", "ld", "ld.bfd"))

    def fault_permission(self, b):
        def arm(b):
            path = f"{b.job.workspace}/target"
            wipe(path)
            os.makedirs(path)
            b.undo.append(lambda: wipe(path))
        return Fault("permission", "config", "build", common.DENIED, arm=arm)

    def fault_missing_env(self, b):
        variable = b.rng.choice(("API_TOKEN", "LICENSE_FILE", "REGION", "BROKER_URL"))
        see, line = b.rng.choice(((self.BUILD, f'pub const SETTING: &str = env!("{variable}");\n'), (self.FAILED, "")))
        if line:
            return self.change(b, "missing_env", "config", "build", see, "/// Weight of every amount.\n", line + "/// Weight of every amount.\n")
        return self.change(b, "missing_env", "config", "test", f"{variable}|FAILED", "assert_eq!(parse(", f"std::env::var(\"{variable}\").expect(\"{variable} must be set for the integration tests\");\n        assert_eq!(parse(")

    def fault_lint(self, b):
        if not b.job.spec.options.get("lint"):
            return self.fault_compile(b)
        old, new = b.rng.choice((("let mut sum = 0;", "let wastedValue = 3;\n    let mut sum = 0;"), ("use std::collections::BTreeMap;", "use std::collections::BTreeMap;\nuse std::fmt::Write;"), ("    Ok(sum)\n", "    return Ok(sum);\n    #[allow(unused_labels)]\n    { println!(\"never\"); }\n    Ok(0)\n")))
        return self.change(b, "lint", "compile_error", "lint", self.BUILD, old, new)
