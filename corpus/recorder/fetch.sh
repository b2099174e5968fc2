#!/usr/bin/env bash
# Fills DIR/cache with the packages that the recorded projects use, through the package managers' own clients: fetch.sh DIR
set -euo pipefail
cache=$1/cache
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache"/{pypi,npm,go,rust/src,mvn}
cd "$cache"

python3 -m pip download -q -d pypi pytest pytest-timeout pytest-rerunfailures requests flask click pyyaml attrs flake8 rich httpx tomli \
    'urllib3<2' 'click<8' 'werkzeug<3' sqlalchemy pydantic jsonschema python-dateutil markdown setuptools wheel pip

(cd npm && { [ -f package.json ] || npm init -y >/dev/null; } && npm install --ignore-scripts --no-audit --no-fund typescript@5 eslint@9 @eslint/js@9 mocha@10 chai@4 \
    express@4 lodash uuid@9 debug chalk@4 commander semver date-fns request@2 ajv yaml jest@29 @types/node@20)

(
    cd go
    printf 'module x\n\ngo 1.22\n' >go.mod
    export GOMODCACHE=$cache/gomod
    for module in github.com/stretchr/testify@v1.9.0 github.com/google/uuid@v1.6.0 github.com/pkg/errors@v0.9.1 gopkg.in/yaml.v3@v3.0.1; do
        go get "$module"
    done
    go mod download all
)

(
    cd rust
    cp "$here/fetch/Cargo.toml" Cargo.toml
    touch src/lib.rs
    CARGO_HOME=$cache/cargo cargo fetch
)

# A class and a test, so that the compiler's and the test runner's plugins are resolved too.
mkdir -p mvn/src/main/java mvn/src/test/java
echo 'public class One { public static int plus(int n) { return n + 1; } }' >mvn/src/main/java/One.java
for junit in junit5:org.junit.jupiter.api junit4:org.junit; do
    cp "$here/fetch/${junit%%:*}.xml" mvn/pom.xml
    echo "import ${junit#*:}.Test; public class OneTest { @Test public void adds() { if (One.plus(1) != 2) throw new AssertionError(); } }" >mvn/src/test/java/OneTest.java
    (cd mvn && mvn -B -q -Denforcer.skip -Dmaven.repo.local="$cache/m2" clean install)
done
