"""Node projects: npm ci, eslint or tsc, node --test, mocha or jest."""
import os

from build import wipe
from kits.base import Fault, Kit, Stage, Trouble, camel, numbers, pascal, without
import common

SOURCE = '''{imports}
const FACTOR{number} = {factor};

{export}function {fn}Total(amounts{numbers}){number} {{
  let total = 0;
  amounts.forEach((amount, position) => {{
    total += amount * FACTOR + position;
  }});
  return total;
}}

{export}function {fn}Grade(value{number}){string} {{
  if (value < 0) {{
    console.error('{noun} rejected: negative value', value);
    throw new RangeError(`negative {noun}: ${{value}}`);
  }}
  return value < 10 ? 'low' : value > 50 ? 'high' : 'normal';
}}

{export}function {fn}Parse(text{string}){record} {{
  const found{record} = {{}};
  for (const part of text.split(';')) {{
    const [key, value] = part.split('=');
    if (value === undefined) {{
      console.warn(`could not parse {noun} field "${{part}}", skipped`);
      continue;
    }}
    found[key.trim()] = Number(value);
  }}
  return found;
}}
{exports}'''

NODE_TEST = '''const test = require('node:test');
const assert = require('node:assert');
const {{ {fn}Total, {fn}Grade, {fn}Parse }} = require('../{lib}/{mod}.js');
{cases}
test('{mod} rejects a negative {noun}', () => {{
  assert.throws(() => {fn}Grade(-1), RangeError);
}});

test('{mod} skips broken {noun} fields', () => {{
  assert.deepStrictEqual({fn}Parse('a=1;oops;b=2'), {{ a: 1, b: 2 }});
}});
'''

DESCRIBE = '''{header}const {{ {fn}Total, {fn}Grade, {fn}Parse }} = require('../{lib}/{mod}.js');

describe('{title}: {mod}', () => {{
{cases}
  it('rejects a negative {noun}', () => {{
    {throws}
  }});

  it('skips broken {noun} fields', () => {{
    {parsed}
  }});
}});
'''


class Node(Kit):
    tool, registry_kind = "npm", "npm"
    survivors = ("git_retry", "registry_hiccup", "lint_allowed", "retry_passes", "deprecated", "cache_miss", "audit_fails", "expected_errors")
    FAILED = r"not ok|✖|failing|^\s+\d+\) |FAIL|AssertionError|●|✕|TypeError|Error:"

    def create(self, job):
        rng, spec, o = job.rng, job.spec, job.spec.options
        typescript, runner = o.get("typescript"), o.get("runner", "node")
        lib = "dist" if typescript else "lib"
        scripts = {"test": {"node": "node --test --test-reporter=" + o.get("reporter", "spec"), "mocha": "mocha --reporter " + o.get("reporter", "spec"), "jest": "jest --ci" + o.get("jest", "")}[runner], "lint": "eslint src" if typescript else "eslint lib", "build": "tsc --pretty false" if typescript else f"node -e \"for (const m of {spec.mods}) console.log('bundled', m, Object.keys(require('./lib/' + m + '.js')).length, 'exports')\"".replace("'m'", "m")}
        scripts["build"] = "tsc --pretty false" if typescript else "node build.js"
        job.write("build.js", f"for (const mod of {spec.mods}) {{\n  console.log('bundled', mod, Object.keys(require('./lib/' + mod + '.js')).length, 'exports');\n}}\n".replace("'", '"'))
        dev = {"node": {}, "mocha": {"mocha": "^10.0.0", "chai": "^4.0.0"}, "jest": {"jest": "^29.0.0"}}[runner]
        if typescript:
            dev.update({"typescript": "^5.0.0", "@types/node": "^20.0.0"})
        if o.get("eslint"):
            dev.update({"eslint": "^9.0.0", "@eslint/js": "^9.0.0"})
        job.write("package.json", common.json_text({"name": "@example/" + spec.name, "version": "1.0.0", "private": True, "scripts": scripts, "dependencies": {d: "*" for d in o.get("requires", ["lodash", "debug"])}, "devDependencies": dev}))
        job.write(".gitignore", "node_modules\ndist\n*.tgz\n")
        job.write("eslint.config.js", "const js = require('@eslint/js');\nmodule.exports = [js.configs.recommended, { languageOptions: { sourceType: 'commonjs', globals: { require: 'readonly', module: 'writable', console: 'readonly', process: 'readonly', setTimeout: 'readonly' } } }];\n")
        if typescript:
            job.write("tsconfig.json", common.json_text({"compilerOptions": {"strict": True, "target": "ES2022", "module": "commonjs", "outDir": "dist", "rootDir": "src", "noUnusedLocals": True, "listEmittedFiles": bool(o.get("list")), "types": ["node"]}, "include": ["src"]}))
        for mod in spec.mods:
            fn, factor, noun = camel(mod), rng.randint(2, 9), rng.choice(spec.nouns)
            names = {"fn": fn, "factor": factor, "noun": noun, "mod": mod, "title": spec.title, "lib": lib}
            types = {"number": ": number", "numbers": ": number[]", "string": ": string", "record": ": Record<string, number>", "export": "export ", "exports": "", "imports": ""} if typescript else {"number": "", "numbers": "", "string": "", "record": "", "export": "", "exports": f"\nmodule.exports = {{ {fn}Total, {fn}Grade, {fn}Parse }};\n", "imports": "'use strict';\n"}
            job.write(f"src/{mod}.ts" if typescript else f"lib/{mod}.js", SOURCE.format(**names, **types))
            cases = ""
            for i in range(o.get("cases", 7)):
                row = numbers(rng, rng.randint(1, 5))
                want = sum(a * factor + k for k, a in enumerate(row))
                if runner == "node":
                    cases += f"\ntest('{mod} totals {noun} {i + 1}', () => {{\n  assert.strictEqual({fn}Total({row}), {want});\n}});\n"
                elif runner == "mocha":
                    cases += f"  it('totals {noun} {i + 1}', () => {{\n    expect({fn}Total({row})).to.equal({want});\n  }});\n"
                else:
                    cases += f"  it('totals {noun} {i + 1}', () => {{\n    console.log('{noun} {i + 1} of {mod}');\n    expect({fn}Total({row})).toBe({want});\n  }});\n"
            if runner == "node":
                job.write(f"test/{mod}.test.js", NODE_TEST.format(cases=cases, **names))
            else:
                throws = f"expect(() => {fn}Grade(-1)).to{'.throw(RangeError)' if runner == 'mocha' else 'Throw(RangeError)'};"
                parsed = f"expect({fn}Parse('a=1;oops;b=2')).to{'.deep.equal' if runner == 'mocha' else 'Equal'}({{ a: 1, b: 2 }});"
                job.write(f"test/{mod}.test.js", DESCRIBE.format(header="const { expect } = require('chai');\n" if runner == "mocha" else "", cases=cases, throws=throws, parsed=parsed, **names))
        job.commit("Initial import")

    def evolve(self, job, number, rng):
        message = super().evolve(job, number, rng)
        job.replace("package.json", '"private"', '"private"')
        text = job.read("package.json")
        job.write("package.json", common.re.sub(r'"version": "[^"]*"', f'"version": "{number // 20 + 1}.{number % 20}.{rng.randrange(9)}"', text))
        return message

    def configure_registry(self, b):
        level = b.job.spec.options.get("loglevel", "notice")
        b.put("/home/jenkins/.npmrc", f"registry={b.registry('npm')}/\nfund=false\naudit=false\nupdate-notifier=false\nfetch-retries=1\nfetch-retry-mintimeout=300\nfetch-retry-maxtimeout=600\nfetch-timeout=4000\nloglevel={level}\nprogress=false\n")

    def stages(self, b):
        o = b.job.spec.options
        self.configure_registry(b)
        if "registry_hiccup" in b.survivors:
            b.job.mirror.trouble = Trouble(b.rng.choice((503, "reset")), after=b.rng.randint(0, 8), times=1)
        cold = b.rng.random() < 0.35 or (b.fault and b.fault.point == "deps") or "registry_hiccup" in b.survivors
        if cold:
            wipe(f"{b.job.workspace}/node_modules")
            wipe("/home/jenkins/.npm")
            if os.path.exists(f"{b.job.workspace}/package-lock.json"):
                os.unlink(f"{b.job.workspace}/package-lock.json")

        def install(b):
            script = ["node --version", "npm --version"]
            if "cache_miss" in b.survivors:
                script.append("cp -r /home/jenkins/cache/node_modules . || echo 'npm cache not found, installing from scratch'")
            b.sh("\n".join(script + [f"npm install --no-package-lock{' request' if 'deprecated' in b.survivors else ''}"]), "deps")
            if "audit_fails" in b.survivors:
                b.sh("npm audit --omit=dev || true", "audit")

        def lint(b):
            if not o.get("eslint"):
                b.sh("for file in " + ("src/*.ts" if o.get("typescript") else "lib/*.js") + "; do " + ("wc -l $file" if o.get("typescript") else "node --check $file") + "; done", "lint")
            elif "lint_allowed" in b.survivors and not (b.fault and b.fault.point == "lint"):
                b.sh("npx eslint --rule '{\"no-magic-numbers\": \"error\", \"no-console\": \"warn\"}' lib || true", "lint")
            else:
                b.sh("npm run lint", "lint")

        def compile_step(b):
            b.sh("npm run build", "build")

        def unit(b):
            command = "npm test"
            if o.get("filter") and not b.fault and b.rng.random() < 0.2:
                command += f" -- test/{b.rng.choice(b.job.spec.mods)}.test.js" if o.get("runner") != "node" else ""
            with b.timeout(o.get("minutes", 15)):
                if "expected_errors" in b.survivors:
                    b.sh("node -e 'process.on(\"uncaughtException\", (e) => console.error(\"Error: probe failed:\", e.message)); setTimeout(() => { throw new Error(\"connect ECONNREFUSED 127.0.0.1:6379\"); }, 10)'\necho 'probe done, redis is optional'", "prepare")
                if "retry_passes" in b.survivors:
                    b.retry(2, lambda: b.sh(f"test -e /tmp/npm-{b.number} || {{ touch /tmp/npm-{b.number}; node -e 'require(\"net\").connect(1, \"127.0.0.1\")'; }}\n{command}", "test"))
                else:
                    b.sh(command, "test")

        package = lambda b: b.sh("npm pack\nls -l *.tgz", "package")
        if o.get("typescript"):
            return [Stage("Install", install), Stage("Compile", compile_step), Stage("Lint", lint), Stage("Test", unit), Stage("Pack", package)]
        if o.get("parallel"):
            return [Stage("Install", install), Stage("Checks", {"lint": lint, "test": unit, "build": compile_step}), Stage("Pack", package)]
        return [Stage("Install", install), Stage("Lint", lint), Stage("Build", compile_step), Stage("Test", unit), Stage("Pack", package)]

    # --- faults ---
    def mod(self, b):
        return b.rng.choice(b.job.spec.mods)

    def file(self, b, mod):
        return f"src/{mod}.ts" if b.job.spec.options.get("typescript") else f"lib/{mod}.js"

    def change(self, b, name, cause, point, see, old, new, mod=None):
        path = self.file(b, mod or self.mod(b))
        return Fault(name, cause, point, see, edit=lambda job: job.replace(path, old, new))

    def fault_compile(self, b):
        if b.job.spec.options.get("typescript"):
            old, new = b.rng.choice((("let total = 0;", "let total: string = 0;"), ("return total;", "return totals;"), ("Number(value)", "value"), ("let total = 0;", "let total = 0;\n  const spare = 1;"), ("text.split(';')", "text.splitAll(';')"), ("amount * FACTOR", "amount * FACTOR(1)"), ("let total = 0;", "let total = ;")))
            return self.change(b, "compile", "compile_error", "build", r"error TS\d+", old, new)
        old, new = b.rng.choice((("let total = 0;", "let total = ;"), ("  return total;\n}", "  return total;\n"), ("const [key, value]", "const [key, value"), ("text.split(';')", "text.split(';'")))
        return self.change(b, "syntax", "compile_error", "lint", r"SyntaxError|Parsing error|^\S+\.js(:\d+)?$|\.js:\d+", old, new)

    def fault_module(self, b):
        name = b.rng.choice(("./helpers", "moment-tz", "@example/shared", "../config/env"))
        if b.job.spec.options.get("typescript"):
            return self.change(b, "module", "compile_error", "build", r"error TS\d+", "const FACTOR", f"import {{ helper }} from '{name}';\nhelper();\nconst FACTOR")
        return self.change(b, "module", "compile_error", "build" if not b.job.spec.options.get("parallel") else "test", r"Cannot find module|MODULE_NOT_FOUND|Error:", "'use strict';\n", f"'use strict';\nrequire('{name}');\n")

    def fault_assertion(self, b):
        old, new = b.rng.choice((("* FACTOR + position", "* FACTOR - position"), ("let total = 0;", "let total = 1;"), ("if (value < 0)", "if (value < -5)"), ("Number(value)", "Number(value) + 1")))
        return self.change(b, "assertion", "test_failure", "test", self.FAILED, old, new)

    def fault_exception(self, b):
        typed = b.job.spec.options.get("typescript")
        old, new = b.rng.choice((("let total = 0;", "let total = (undefined" + (" as any" if typed else "") + ").length;"), ("let total = 0;", "let total = JSON.parse('{');"), ("let total = 0;", "let total = 0;\n  amounts[0].toFixed(" + ("999" if True else "") + ");")))
        return self.change(b, "exception", "test_failure", "test", self.FAILED, old, new)

    def test_code(self, b, title, body, asynchronous=True):
        mod = self.mod(b)
        runner = b.job.spec.options.get("runner", "node")
        head = "const test = require('node:test');\n" if runner == "node" else ""
        call = "test" if runner in ("node", "jest") else "it"
        return lambda job: job.write(f"test/{mod}.timing.test.js", f"{head}const assert = require('node:assert');\n\n{call}('{mod} {title}', async () => {{\n{body}}});\n")

    def fault_flaky(self, b):
        title, body = b.rng.choice((
            ("flushes within its budget", "  const began = process.hrtime.bigint();\n  await new Promise((r) => setTimeout(r, 2));\n  const spent = Number(process.hrtime.bigint() - began) / 1e6;\n  assert.ok(spent < 2.02, `flush took ${spent.toFixed(3)} ms, budget 2.02 ms`);\n"),
            ("delivers the event in time", "  let seen = false;\n  setTimeout(() => { seen = true; }, 120);\n  await new Promise((r) => setTimeout(r, 30));\n  assert.ok(seen, 'event still pending after 30 ms');\n"),
            ("keeps the order for any seed", "  const seed = Math.floor(Math.random() * 1e6);\n  const order = [5, 1, 4, 2, 3].sort(() => Math.random() - 0.5);\n  assert.deepStrictEqual(order, [1, 2, 3, 4, 5], `random order with seed ${seed}`);\n")))
        return Fault("flaky", "flaky_test", "test", self.FAILED, edit=self.test_code(b, title, body))

    def fault_hang(self, b):
        runner = b.job.spec.options.get("runner", "node")
        body = "  await new Promise(() => { setInterval(() => {}, 1000); });\n"
        return Fault("hang" if runner == "node" else "hang_tool", "timeout", "test", r"Cancelling nested|Build timed out|[Tt]imeout|exceeded", edit=self.test_code(b, "waits for the queue", body))

    def fault_heap(self, b):
        return Fault("heap", "out_of_memory", "test", r"heap out of memory|heap limit|Allocation failed|JavaScript heap", arm=lambda b: b.env.update(NODE_OPTIONS="--max-old-space-size=60"),
                     edit=self.test_code(b, "keeps a long history", "  const hoard = [];\n  for (let i = 0; i < 4e7; i++) hoard.push({ i, text: 'entry ' + i });\n  assert.ok(hoard.length);\n"))

    def fault_killed(self, b):
        return Fault("killed", "out_of_memory", "test", r"Killed|SIGKILL|signal|137|not ok|✖", arm=lambda b: setattr(b.limits, "resident", 260 << 20),
                     edit=self.test_code(b, "copies the archive", "  const hoard = [];\n  for (let i = 0; i < 300; i++) hoard.push(Buffer.alloc(4 << 20, 1));\n  assert.ok(hoard.length);\n"))

    def fault_disk_full(self, b):
        def arm(b):
            wipe(f"{b.job.workspace}/node_modules")
            common.mount_small(f"{b.job.workspace}/node_modules", b.rng.choice((200, 900, 1500)))(b)
        return Fault("disk_full", "disk_full", "deps", common.DISK, arm=arm)

    def fault_conflict(self, b):
        old, new = b.rng.choice((('"dependencies": {', '"dependencies": {\n    "uuid": "^99.0.0",'), ('"dependencies": {', '"dependencies": {\n    "express": "^9.1.0",'), ('"dependencies": {', '"dependencies": {\n    "@example/ui-kit": "^2.0.0",'), ('"dependencies": {', '"dependencies": {\n    "lodash": "5.x",\n    "left-pad-plus": "1.0.0",')))
        return Fault("conflict", "dependency", "deps", r"npm (ERR!|error)", edit=lambda job: job.replace("package.json", old, new))

    def fault_manifest(self, b):
        old, new = b.rng.choice((('"private": true,', '"private": true'), ('"test":', '"unit":'), ('"devDependencies": {', '"devDependencies": [')))
        return Fault("manifest", "config", "test" if "unit" in new else "deps", r"npm (ERR!|error)|JSON|Missing script", edit=lambda job: job.replace("package.json", old, new))

    def fault_missing_tool(self, b):
        return Fault("missing_tool", "config", "deps", r"not found", arm=lambda b: without(b, *b.rng.choice((("node", "nodejs"), ("npm", "npx")))))

    def fault_permission(self, b):
        def arm(b):
            path = f"{b.job.workspace}/node_modules"
            wipe(path)
            os.makedirs(path)
            b.undo.append(lambda: wipe(path))
        return Fault("permission", "config", "deps", common.DENIED, arm=arm)

    def fault_missing_env(self, b):
        variable = b.rng.choice(("STRIPE_SECRET", "SESSION_KEY", "MONGO_URL", "SMTP_HOST"))
        return Fault("missing_env", "config", "test", variable, edit=lambda job: job.write("test/settings.test.js", f"if (!process.env.{variable}) {{\n  throw new Error('configuration incomplete: {variable} is required');\n}}\n"))

    def fault_port_in_use(self, b):
        return Fault("port_in_use", "config", "test", r"EADDRINUSE|address already in use", edit=self.test_code(b, "serves two listeners", "  const net = require('node:net');\n  const open = () => new Promise((done, fail) => { const s = net.createServer(); s.once('error', fail); s.listen(18080, '127.0.0.1', () => done(s)); });\n  const first = await open();\n  try { (await open()).close(); } finally { first.close(); }\n"))

    def fault_lint(self, b):
        if not b.job.spec.options.get("eslint"):
            return self.fault_compile(b)
        old, new = b.rng.choice((("let total = 0;", "let total = 0;\n  const waste = 3;"), ("return total;", "debugger;\n  return total;"), ("let total = 0;", "let total = 0;\n  if (total = 1) { total = 0; }"), ("return total;", "return totals;"), ("let total = 0;", "let total = 0;\n  var total2 = undefinedThing;\n  while (true) { break; }")))
        return self.change(b, "lint", "compile_error", "lint", r"\d+:\d+\s+error|✖ \d+ problem", old, new)
