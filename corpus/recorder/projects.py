"""The recorded projects: what they are about, which kit builds them, how their job is set up, which split they belong to."""
import dataclasses
import random

from kits.deploy import Deploy
from kits.golang import Go
from kits.maven import Maven
from kits.native import CMake, Make, Meson
from kits.node import Node
from kits.python import Python
from kits.rust import Cargo
from kits.scripting import Ant, Bats, Dune, Minitest, Mix, Perl, Php, Ruby, Tcl
from sandbox import AGENTS


@dataclasses.dataclass
class Spec:
    name: str
    kit: object
    split: str
    title: str
    mods: list
    nouns: list
    options: dict
    env: dict
    style: dict
    without: tuple = ()
    faults: tuple = ()
    builds: int = 15

    @property
    def package(self):
        return self.name.replace("-", "_")


def style_of(name, **given):
    """How this project's job prints: drawn once from its name."""
    rng = random.Random(f"style of {name}")
    style = {
        "frame": rng.choice(("pipeline", "pipeline", "pipeline", "freestyle")),
        "declarative": rng.random() < 0.6,
        "stamps": rng.choice(("none", "none", "none", "iso", "iso", "clock")),
        "stamp_all": rng.random() < 0.4,
        "notes": rng.random() < 0.15,
        "agent": rng.choice(AGENTS),
        "registry": rng.choice(("nexus.example.org", "artifacts.example.com", "mirror.example.net", "packages.internal.example", "registry.example.com", "proxy.build.example", "repo.shop.example")),
        "registry_path": rng.choice(("/repository", "/artifactory/api", "", "/proxy")),
        "git_host": rng.choice(("git.example.org", "code.example.com")),
        "team": rng.choice(("platform", "payments", "shop", "core", "data", "infra", "mobile-backend", "tools")),
        "credential": rng.choice((None, "git-readonly", "ci-bot", "deploy-key")),
        "clean": rng.random() < 0.5,
        "keep_going": rng.random() < 0.5,
        "checks": rng.random() < 0.4,
        "library": rng.choice((None, None, "build-steps", "ci-library")),
        "env": rng.random() < 0.4,
        "obtained": rng.random() < 0.7,
        "recommended_git": rng.random() < 0.7,
    }
    post = [n for n in ("usage", "listing", "changes", "env", "tests", "archive", "notify", "clean") if rng.random() < 0.45]
    style["post"] = post or ["listing", "tests"]
    style.update(given)
    return style


PROJECTS = []


def project(name, kit, split, title, mods, nouns, *, env=None, without=(), faults=(), builds=15, style=None, **options):
    """One project; its number of test cases, which decides how long its logs are, is drawn from its name."""
    options["cases"] = options.get("cases", 8) * random.Random(f"length of {name}").choice((1, 2, 3, 4, 6, 9))
    PROJECTS.append(Spec(name, kit(), split, title, mods.split(), nouns.split(), options, env or {}, style_of(name, **(style or {})), tuple(without), tuple(faults), builds))


# --- C
project("ring-buffer", Make, "train", "Lock-free queues", "ring slot cursor fence pool arena", "slot frame page")
project("sensor-hub", CMake, "train", "Sensor firmware", "probe filter sampler modem packet clock", "reading packet probe", parallel=True)
project("zipfold", Meson, "train", "Archive library", "entry block window huffman crc", "entry block member")
project("chess-core", Make, "test", "Move generator", "board move piece attack hash search opening", "board move piece", echo="@", target="check-all", check=2, cases=16)
project("mailspool", Make, "train", "Mail spool", "queue header bounce relay quota", "message queue bounce", cc="clang", parallel=True, check=1, cases=20)
project("pump-control", CMake, "validation", "Pump controller", "pump valve pressure alarm schedule", "pump valve alarm", generator="Unix Makefiles", flags="--verbose", check=0, cases=14)
project("mesh-tools", CMake, "train", "Triangle meshes", "vertex facet normal edge texture smoothing decimate", "vertex facet edge", check=3, cases=24)
project("stationd", Meson, "test", "Weather station daemon", "anemometer barometer rain uplink store", "reading station", check=1, cases=18)
# --- Go
project("fleet-router", Go, "train", "Routes for vans", "route stop depot driver fuel", "route stop van")
project("ticket-gate", Go, "train", "Ticket gates", "gate ticket fare zone refund audit", "ticket fare passenger", testify=True, parallel=True, build="-v")
project("blob-store", Go, "test", "Object store", "bucket object chunk lease quota", "object chunk bucket", cases=14, download="go mod download")
project("dns-relay", Go, "validation", "Name relay", "zone record cache resolver upstream", "record zone query", testify=True, cases=11)
# --- Maven
project("order-service", Maven, "train", "Order service", "cart checkout payment", "order parcel item", enforcer=True)
project("loan-book", Maven, "train", "Loan book", "loan interest collateral", "loan payment collateral", junit4=True, flags="-B -ntp", trim=False, cases=9)
project("catalog-api", Maven, "test", "Catalogue", "product category search", "product category tag", reruns=True, quiet_downloads=True, cases=11)
project("grid-meter", Maven, "validation", "Meter readings", "meter reading tariff", "meter reading tariff", flags="-B -e", seconds=25, fail_at_end=True, goal="install")
project("library-desk", Maven, "train", "Library desk", "book member fine", "book member fine", enforcer=True, reruns=True, flags="-B", clean=False)
# --- Node
project("checkout-ui", Node, "train", "Checkout pages", "basket-view coupon address summary", "basket coupon line", eslint=True, parallel=True, requires=["lodash", "express", "debug"])
project("chat-bridge", Node, "train", "Chat bridge", "room message relay typing", "message room member", runner="mocha", requires=["express", "uuid"], loglevel="http")
project("feed-reader", Node, "test", "Feed reader", "feed entry-list cache sync", "entry feed source", typescript=True, requires=["date-fns", "yaml"], reporter="tap", list=True)
project("map-tiles", Node, "train", "Map tiles", "tile zoom layer style", "tile layer label", runner="jest", jest=" --verbose", requires=["ajv", "semver"])
project("quiz-board", Node, "validation", "Quiz board", "question answer score round", "question answer team", runner="mocha", eslint=True, reporter="spec", requires=["chalk", "commander"], cases=12, loglevel="http")
project("badge-printer", Node, "train", "Badge printer", "badge queue-view template guest", "badge guest label", typescript=True, runner="mocha", requires=["debug"], loglevel="verbose")
# --- Rust
project("log-shipper", Cargo, "train", "Log shipper", "batch codec backoff sink", "batch record line", requires=["itoa", "memchr", "smallvec", "bitflags"])
project("tax-rules", Cargo, "test", "Tax rules", "bracket deduction region rounding", "bracket deduction rule", requires=["fnv", "heck", "semver"], nocapture=True, lint=True, cases=12)
project("orbit-calc", Cargo, "train", "Orbits", "ephemeris burn frame maneuver", "orbit burn vector", requires=["either", "arrayvec", "hex", "base64"], flags="-v", serial=True)
project("key-vault", Cargo, "validation", "Key vault", "sealed_box rotation grant audit", "key grant secret", requires=["hex", "base64", "anyhow", "log"], lint=True)
# --- Python
project("invoice-engine", Python, "train", "Invoices and dunning", "invoice tax dunning rebate ledger currency", "invoice receipt voucher statement", requires=["click", "requests", "attrs"], runner="pytest -v", cases=14, smoke=True)
project("menu-planner", Python, "train", "Weekly menus", "recipe pantry portion allergen shopping", "recipe dish portion", requires=["click", "pyyaml", "python-dateutil"], runner="pytest -q", cases=22, activate=True)
project("tide-tables", Python, "train", "Tides and harbours", "harbour gauge tide moon current wind", "harbour gauge ship", requires=["requests", "rich", "tomli"], runner="unittest", cases=16, parallel=False, setup_name="Prepare")
project("seat-map", Python, "validation", "Seats in halls", "hall row_plan booking price waitlist", "hall seat booking", requires=["flask", "jsonschema"], runner="pytest -v -rA", cases=12, smoke=True, tool_timeout=True)
project("crop-watch", Python, "test", "Fields and crops", "field soil rainfall harvest pest machine", "field plot crop", requires=["click", "httpx", "markdown"], runner="pytest -v --log-cli-level=INFO", cases=10, parallel=True, reruns=True)
project("claims-desk", Python, "train", "Insurance claims", "claim policy payout fraud letter", "claim policy letter", requires=["sqlalchemy", "pydantic"], runner="pytest -v --log-cli-level=INFO --durations=5", cases=9, retries=2, tool_timeout=True, smoke=True)
# --- smaller ecosystems
project("log-rotate", Perl, "train", "Log rotation", "policy schedule compress retention archive_index", "policy archive file", cases=12)
project("zone-check", Perl, "test", "Zone file checker", "parser soa_record delegation serial glue", "record zone name", prove="-v --timer", cases=9, parallel=True)
project("panel-gui", Tcl, "train", "Instrument panels", "gauge_view dial plot alarm", "gauge panel value", cases=14)
project("backup-kit", Bats, "train", "Backups", "snapshot prune restore verify catalogue", "snapshot volume file", cases=10)
project("host-setup", Bats, "validation", "Host setup", "users packages firewall mounts", "user host rule", parallel=True, cases=13)
project("menu-site", Ruby, "train", "Restaurant site", "dish opening_hours table order_form", "dish table guest", cases=9)
project("gem-index", Minitest, "test", "Index of gems", "spec_file version_range mirror_list checksum", "gem version mirror", cases=12)
project("guest-book", Php, "train", "Guest book", "entry_form moderation spam_filter export", "entry comment guest", cases=10)
project("voucher-shop", Php, "validation", "Voucher shop", "voucher redemption balance campaign", "voucher card customer", phpunit="--debug", cases=12)
project("tariff-applet", Ant, "train", "Tariff applet", "tariff zone_map discount", "tariff zone trip", cases=8)
project("proof-kit", Dune, "train", "Proof checker", "term rule context tactic", "term rule goal", cases=10)
project("lane-sim", Dune, "test", "Traffic lanes", "lane vehicle signal junction", "lane vehicle signal", cases=14)
project("presence", Mix, "train", "Who is online", "tracker heartbeat shard registry", "user session node", cases=9)
# --- deploys
project("orders-deploy", Deploy, "train", "Rollout of orders", "orders manifest checks", "order basket", replicas=3, lines=20)
project("carts-deploy", Deploy, "test", "Rollout of carts", "carts manifest checks", "cart line", lines=30, requests=240, tail=20)
project("payments-deploy", Deploy, "train", "Rollout of payments", "payments manifest checks", "payment refund", replicas=4, deadline=4, describe=False, requests=300, lines=40, smoke=25)
project("catalogue-rollout", Deploy, "validation", "Rollout of the catalogue", "catalogue manifest checks", "sock size", lines=16, load_name="Performance gate", tail=15)
project("user-rollout", Deploy, "train", "Rollout of accounts", "users manifest checks", "user address", lines=60, requests=420, parallel_requests=8, smoke=40, show=False)
project("queue-master-rollout", Deploy, "test", "Rollout of the queue master", "queue manifest checks", "job task", replicas=3, lines=10, wait=15, tail=30)
# --- more of the quick ones
project("font-cache", Make, "train", "Font cache", "glyph metric kerning raster atlas", "glyph face size", check=3, parallel=True, cases=10)
project("packet-lab", CMake, "train", "Packet laboratory", "ethernet ipv4 checksum capture replay", "packet header flow", generator="Unix Makefiles", check=2, cases=9)
project("tiny-db", Meson, "train", "Small database", "page btree journal cursor vacuum", "page row key", check=0, cases=12)
project("elevator-ctl", Make, "validation", "Elevator control", "door cabin request motor", "door floor trip", target="check-all", check=0, cases=11)
project("ledger-import", Perl, "validation", "Imports into the ledger", "csv_reader mapping duplicate_check totals", "row account booking", cases=11)
project("rule-engine", Tcl, "test", "Alarm rules", "condition trigger escalation quiet_hours", "rule alarm event", cases=10, parallel=True)
project("wiki-render", Php, "test", "Wiki pages", "heading link_table macro sidebar", "page link heading", cases=9)
project("parcel-track", Ruby, "train", "Parcels", "label_print route_leg handover proof_of_delivery", "parcel leg courier", rspec="--format progress", cases=12)
project("cron-guard", Bats, "test", "Guards for timers", "lockfile overlap report mailer", "job lock run", cases=5)
project("unit-conv", Minitest, "train", "Units", "length_unit mass_unit volume_unit money_unit", "unit factor value", cases=10)
project("graph-lib", Dune, "train", "Graphs", "edge_set walk colouring flow_cut", "edge vertex path", cases=9)
# --- quick ones for the causes that come up seldom
RARE = ("conflict", "memory", "memory_test", "disk_full", "assertion", "flaky", "crash", "hang", "compile", "syntax", "error", "link")
project("route-table", Go, "test", "Routing tables", "prefix nexthop metric_sum neighbour", "prefix hop route", faults=RARE, cases=10)
project("solar-log", CMake, "test", "Solar logs", "inverter panel_string yield_sum sunrise", "panel reading day", faults=RARE, check=1, cases=14)
project("stamp-album", Tcl, "test", "Stamp albums", "album sheet swap catalogue", "stamp sheet set", faults=RARE, cases=12)
project("poll-box", Perl, "validation", "Polls", "ballot tally quorum invite", "ballot voter option", faults=RARE, cases=14)
project("kite-sim", Meson, "validation", "Kite simulation", "line_pull sail wind_field anchor", "kite line gust", faults=RARE, check=2, cases=16)
project("tea-house", Ruby, "validation", "Tea house", "blend brew_time tasting stock_take", "blend leaf cup", faults=RARE, cases=9)
project("night-bus", Bats, "train", "Night buses", "timetable transfer stop_board delay", "bus stop trip", faults=RARE, cases=5)
project("harvest-map", Dune, "train", "Harvest maps", "plot_area crop_sum season_mean trail", "plot crop season", faults=RARE, cases=11)
project("beacon-net", Go, "train", "Beacons", "beacon_id signal_mean position roster", "beacon signal place", faults=RARE, cases=12)
