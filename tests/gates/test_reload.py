"""From one generation to the next: what changes, what goes on, and what a mistake changes: nothing."""
import os
import shutil
import signal
import subprocess
import threading
import time

import pytest

from rig_client import Client, Closed, request
from rig_gateway import PROGRAM, SANITIZED, Gateway, free_port, make_certificate, processes_under, status_of
from rig_origin import page

ATTACK = "/?q=%3Cscript%3Ealert(1)%3C/script%3E"


def policy(status=451, rest="waf: {mode: enforce}\n", when='path under "/x"'):
    return "policy: shop\nrules:\n  - {id: x, when: '%s', do: block %d}\n%s" % (when, status, rest)


def reload(g, within=60):
    done = subprocess.run([PROGRAM, "reload", "-c", g.file], capture_output=True, text=True, timeout=within)
    return done.returncode, done.stdout + done.stderr


def write(g, text, name="policies/shop.yaml"):
    (g.folder / name).write_text(text)


def changed(g, text, name="policies/shop.yaml"):
    write(g, text, name)
    code, said = reload(g)
    assert code == 0, said
    return said


def zygotes(g):
    return {pid for pid, line in processes_under(g.process.pid).items() if "portcullis-inspector" in line}


def test_a_changed_policy_is_in_force_and_no_connection_is_touched(gateway, origin):
    g = gateway("processes: {workers: 2, inspectors: 2}", origin=origin, policies={"shop": policy(451)})
    before = zygotes(g)
    clients = [g.client(tls=i % 2 == 0) for i in range(8)]
    for c in clients:
        assert c.get("/x").status == 451
    assert "is in force" in changed(g, policy(452))
    for c in clients:
        assert c.get("/x").status == 452
        assert c.get("/").status == 200
        c.close()
    assert g.get(ATTACK).status == 403
    assert before & zygotes(g) == before, "the rules are the same: nobody loads them again"


def test_a_request_ends_with_the_generation_it_began_with(gateway, origin):
    g = gateway("logs: {requests: '$dir/requests.log', errors: stderr}", origin=origin, policies={"shop": policy(451)})
    answered = threading.Event()

    def slow(_):
        answered.wait(10)
        return [page(b"late")]

    origin.answers["/slow"] = slow
    with g.client() as c:
        c.send(request("/slow"))
        end = time.monotonic() + 5
        while not origin.requests and time.monotonic() < end:
            time.sleep(0.01)
        changed(g, policy(452, when="true"))
        assert g.get("/").status == 452
        answered.set()
        assert c.read().status == 200
        assert c.get("/").status == 452


def test_sighup_reloads_too(gateway, origin):
    g = gateway(origin=origin, policies={"shop": policy(451, "")})
    write(g, policy(452, ""))
    g.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + 10
    while g.get("/x").status != 452 and time.monotonic() < end:
        time.sleep(0.05)
    assert g.get("/x").status == 452


def test_a_worker_that_dies_comes_back_with_the_newest_generation(gateway, origin):
    g = gateway(origin=origin, policies={"shop": policy(451, "")})
    changed(g, policy(452, ""))
    os.kill(g.role("worker")[0], signal.SIGKILL)
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            status = g.get("/x").status
            break
        except (Closed, OSError):
            time.sleep(0.05)
    assert status == 452


def test_new_rules_are_loaded_beside_the_old_ones(gateway, origin):
    rule = 'SecRule ARGS:stop "@streq %s" "id:1000001,phase:1,deny,status:403,log,msg:\'stop\'"\n'
    g = gateway("rulesets: {crs: {path: /usr/share/modsecurity-crs, before: ['$dir/own.conf']}}", origin=origin,
                policies={"shop": policy()}, files={"own.conf": rule % "one"})
    before = zygotes(g)
    assert g.get("/?stop=one").status == 403 and g.get("/?stop=two").status == 200
    changed(g, rule % "two", "own.conf")
    assert g.get("/?stop=one").status == 200 and g.get("/?stop=two").status == 403
    end = time.monotonic() + 10
    while before & zygotes(g) and time.monotonic() < end:
        time.sleep(0.05)
    assert not before & zygotes(g), "the old inspectors end when their last request has"
    assert g.get(ATTACK).status == 403


def test_what_other_files_say_is_read_again(gateway, origin, countries, folder):
    """A certificate, a list, a country database; and the last good one stays where the new one is bad."""
    (folder / "country.mmdb").write_bytes(countries.read_bytes())
    rules = ("policy: shop\nsets:\n  bad: {type: ip, file: '%s/bad.txt'}\nrules:\n"
             "  - {id: listed, when: 'ip in @bad', do: block 451}\n  - {id: kp, when: 'ip.country == KP', do: block 452, on_failure: skip}\n" % folder)
    (folder / "bad.txt").write_text("198.51.100.0/24\n")
    g = gateway("trusted: [127.0.0.1]\ngeoip: {country: '%s/country.mmdb'}" % folder, origin=origin, policies={"shop": rules})
    via = lambda ip: g.get("/", "shop.example.com", "X-Forwarded-For: " + ip).status
    assert (via("198.51.100.7"), via("203.0.113.7"), via("175.45.176.9")) == (451, 200, 452)

    (folder / "bad.txt").write_text("203.0.113.0/24\n")
    before = open_certificate(g)
    cert, key = make_certificate(g.folder, "new")
    shutil.move(cert, g.cert)
    shutil.move(key, g.key)
    code, said = reload(g)
    assert code == 0, said
    assert (via("198.51.100.7"), via("203.0.113.7")) == (200, 451)
    assert open_certificate(g) != before

    (folder / "country.mmdb").write_bytes(countries.read_bytes()[:600])
    code, said = reload(g)
    assert code == 1 and "country.mmdb" in said and "goes on" in said
    assert via("175.45.176.9") == 452
    said = changed(g, g.file.read_text().replace("geoip: {", "geoip: {missing: degrade, "), "portcullis.yaml")
    assert "country.mmdb" in said and "the one in use stays" in said
    assert via("175.45.176.9") == 452


def open_certificate(g):
    with Client(g.https, tls=True) as c:
        return c.socket.getpeercert(binary_form=True)


def test_listeners_come_and_go(gateway, origin):
    g = gateway(origin=origin, policies={"shop": policy(rest="")})
    more = free_port()
    text = g.file.read_text()
    added = text.replace("listeners:\n", "listeners:\n  - {address: '127.0.0.1:%d', serve: http}\n" % more)
    with g.client() as c:
        assert c.get("/").status == 200
        changed(g, added, "portcullis.yaml")
        with Client(more) as d:
            assert d.get("/").status == 200
            assert c.get("/").status == 200
            changed(g, text, "portcullis.yaml")
            assert d.get("/").status == 200, "who is connected stays"
        assert c.get("/").status == 200
    with pytest.raises(OSError):
        Client(more)


def test_logs_are_opened_anew_and_no_line_is_lost(gateway, origin):
    g = gateway("client: {requests: 1000000}", origin=origin, policies={"shop": policy(rest="")})
    stop, asked = threading.Event(), []

    def keep_asking():
        with g.client() as c:
            while not stop.is_set():
                asked.append(c.get("/%d" % len(asked)).status)
                time.sleep(0.001)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        for i in range(3):
            time.sleep(0.2)
            (g.folder / "requests.log").rename(g.folder / ("old%d.log" % i))
            changed(g, policy(451 + i, ""))
        changed(g, g.file.read_text().replace("requests.log", "elsewhere.log"), "portcullis.yaml")
        time.sleep(0.2)
    finally:
        stop.set()
        asking.join()
    time.sleep(0.5)
    lines = [g.log_text("old%d.log" % i) for i in range(3)] + [g.log_text("requests.log"), g.log_text("elsewhere.log")]
    assert all(lines), "each file has its time"
    assert sum(text.count(b"\n") for text in lines) == len(asked)
    write(g, g.file.read_text().replace("elsewhere.log", "nowhere/x.log"), "portcullis.yaml")
    code, said = reload(g)
    assert code == 1 and "nowhere/x.log" in said and "make its directory" in said
    assert g.get("/").status == 200


def test_protection_that_protects_nothing_is_not_put_into_force(gateway, origin):
    g = gateway(origin=origin, policies={"shop": policy()})
    for rest, says in [("waf: {mode: enforce, threshold: {request: 1000}}\n", "finds only 0 of 8"),
                       ("waf: {mode: detect, threshold: {request: 1000}}\n", "finds only 0 of 8"),
                       ("waf: {mode: enforce, threshold: {request: 1}, paranoia: 4}\n", None)]:
        write(g, policy(452, rest))
        code, said = reload(g)
        if says:
            assert code == 1 and says in said and "site shop" in said, said
            assert g.get("/x").status == 451 and g.get(ATTACK).status == 403
        else:
            assert code == 0, said


def test_rules_that_do_not_load_change_nothing(gateway, origin):
    g = gateway("rulesets: {crs: {path: /usr/share/modsecurity-crs, before: ['$dir/own.conf']}}", origin=origin,
                policies={"shop": policy()}, files={"own.conf": "# none\n"})
    write(g, 'SecRul ARGS "x" "id:1000001,phase:1,deny"\n', "own.conf")
    code, said = reload(g)
    assert code == 1 and "own.conf" in said and "goes on" in said, said
    assert g.get(ATTACK).status == 403 and g.get("/").status == 200


@pytest.mark.parametrize("rules", ["fine", "broken"])
def test_a_zygote_that_dies_before_the_commit_changes_nothing(gateway, origin, rules):
    """And the gateway still stops: nobody waits for one that is reaped already."""
    g = gateway("rulesets: {crs: {path: /usr/share/modsecurity-crs, before: ['$dir/own.conf']}}", origin=origin,
                policies={"shop": policy()}, files={"own.conf": "# none\n"})
    before, worker = zygotes(g), g.role("role-worker")[0]
    write(g, "SecAction \"id:1000001,phase:1,pass\"\n" if rules == "fine" else "SecRul nonsense\n", "own.conf")
    said = []
    # While the worker stands still nothing is prepared; while the supervisor does, the broken one ends unseen.
    still = worker if rules == "fine" else g.process.pid
    reloading = threading.Thread(target=lambda: said.append(reload(g)))
    reloading.start()
    end = time.monotonic() + 10
    while not zygotes(g) - before and time.monotonic() < end:
        time.sleep(0.001)
    os.kill(still, signal.SIGSTOP)
    time.sleep(0.8)
    for pid in zygotes(g) - before:
        os.kill(pid, signal.SIGKILL)
    g.process.send_signal(signal.SIGHUP)
    os.kill(still, signal.SIGCONT)
    reloading.join()
    assert said[0][0] == 1 and "goes on" in said[0][1], said
    assert g.get(ATTACK).status == 403 and g.get("/").status == 200
    g.stop()


def test_without_a_gateway_there_is_an_answer(folder):
    (folder / "portcullis.yaml").write_text("")
    done = subprocess.run([PROGRAM, "reload", "-c", folder / "portcullis.yaml"], capture_output=True, text=True)
    assert done.returncode == 1 and "portcullis run -c" in done.stderr


# ---- Forty mistakes ----

GOOD = policy(451)
MISTAKES = [  # file, what is replaced, by what, what is said
    ("policies/shop.yaml", "policy: shop", "policy: other", "give file and policy one name"),
    ("policies/shop.yaml", "policy: shop", "polic: shop", 'did you mean "policy"'),
    ("policies/shop.yaml", "rules:", "ruls:", 'did you mean "rules"'),
    ("policies/shop.yaml", "rules:", "rules: 7\nrules:", "shop.yaml:3:1"),
    ("policies/shop.yaml", "id: x", "id: 'x y'", "shop.yaml:3:"),
    ("policies/shop.yaml", "id: x, ", "", "shop.yaml:3:"),
    ("policies/shop.yaml", "path under", "pth under", 'did you mean "path"'),
    ("policies/shop.yaml", "path under", "path nuder", "shop.yaml:3:"),
    ("policies/shop.yaml", 'under "/x"', "under 7", "shop.yaml:3:"),
    ("policies/shop.yaml", 'under "/x"', 'under "/x" and', "shop.yaml:3:"),
    ("policies/shop.yaml", 'under "/x"', 'under "/x" or (method == GET', "shop.yaml:3:"),
    ("policies/shop.yaml", 'path under "/x"', 'ip in @nobody', "nobody"),
    ("policies/shop.yaml", 'path under "/x"', 'path matches r"("', "shop.yaml:3:"),
    ("policies/shop.yaml", 'path under "/x"', "label.nothing", "shop.yaml:3:"),
    ("policies/shop.yaml", "block 451", "blok 451", "shop.yaml:3:"),
    ("policies/shop.yaml", "block 451", "block 200", "shop.yaml:3:"),
    ("policies/shop.yaml", "block 451", "redirect 301", "shop.yaml:3:"),
    ("policies/shop.yaml", "block 451", "challenge", "not in this version"),
    ("policies/shop.yaml", "do: block 451", "do: exempt, from: [waf]", "shop.yaml:3:"),
    ("policies/shop.yaml", "do: block 451", "do: exempt, from: [nothing], why: w, owner: o", "nothing"),
    ("policies/shop.yaml", "mode: enforce", "mode: on", "shop.yaml:4:"),
    ("policies/shop.yaml", "mode: enforce", "mode: enforce, paranoia: 9", "shop.yaml:4:"),
    ("policies/shop.yaml", "mode: enforce", "mode: enforce, ruleset: none", "none"),
    ("policies/shop.yaml", "mode: enforce", "mode: enforce, exclude: [{rule: 942100}]", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {", "limits: [{id: l, rate: 5}]\nwaf: {", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {", "limits: [{id: l, rate: 0 per 1m}]\nwaf: {", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {", "limits: [{id: l, rate: 5 per 1m, key: [nose]}]\nwaf: {", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {", "sets: {s: {type: ip, file: nowhere.txt}}\nwaf: {", "nowhere.txt"),
    ("policies/shop.yaml", "waf: {", "waf: {mode: &a enforce}\nwaf: {", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {", "\twaf: {", "shop.yaml:4:"),
    ("policies/shop.yaml", "waf: {mode: enforce}", "waf: {mode: enforce", "shop.yaml:"),
    ("portcullis.yaml", "sites:", "sits:", 'did you mean "sites"'),
    ("portcullis.yaml", "origin:", "orign:", 'did you mean "origin"'),
    ("portcullis.yaml", "policy: shop", "policy: shp", 'did you mean "shop"'),
    ("portcullis.yaml", "serve: https", "serve: ftp", "portcullis.yaml:"),
    ("portcullis.yaml", "cert.pem", "no.pem", "no.pem"),
    ("portcullis.yaml", "origin: 'http", "origin: 'gopher", "portcullis.yaml:"),
    ("portcullis.yaml", "errors: stderr", "errors: stderr, level: loud", "portcullis.yaml:"),
    ("portcullis.yaml", "processes: {", "processes: {drain: soon, ", "portcullis.yaml:"),
    ("portcullis.yaml", "processes: {", "client: {memory: 1 elephant}\nprocesses: {", "portcullis.yaml:"),
    ("portcullis.yaml", "processes: {", "redis: {address: 'nobody'}\nprocesses: {", "portcullis.yaml:"),
    ("portcullis.yaml", "processes: {", "trusted: [300.1.1.1]\nprocesses: {", "portcullis.yaml:"),
]


def test_forty_mistakes_are_told_and_change_nothing(gateway, origin):
    g = gateway("processes: {workers: 2, inspectors: 2}", origin=origin, policies={"shop": GOOD})
    with g.client() as c:
        for name, old, new, says in MISTAKES:
            path = g.folder / name
            good = path.read_text()
            assert old in good, old
            path.write_text(good.replace(old, new, 1))
            code, said = reload(g)
            path.write_text(good)
            assert code == 1 and said.count(": error: ") and says in said and "goes on" in said, (new, said)
            assert c.get("/x").status == 451 and c.get("/").status == 200, new
    assert g.get(ATTACK).status == 403
    assert len(MISTAKES) >= 40


# ---- Large generations, many generations ----

@pytest.mark.slow
@pytest.mark.timing
def test_500_certificates_and_a_list_of_100000_networks_stall_nobody(gateway, origin):
    g = gateway("client: {requests: 1000000}\nlogs: {requests: off, errors: stderr}", origin=origin, policies={"shop": policy()})
    for i in range(500):
        make_certificate(g.folder, "c%d" % i, ["s%d.example.com" % i])
    write(g, "".join("10.%d.%d.%d\n" % (i >> 15 & 255, i >> 7 & 255, (i << 1) & 255) for i in range(100000)), "policies/big.txt")
    waits, stop = [], threading.Event()

    def keep_asking():
        with g.client() as c:
            while not stop.is_set():
                began = time.monotonic()
                assert c.get("/").status == 200
                waits.append(time.monotonic() - began)

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        write(g, policy(452, "sets:\n  big: {type: ip, file: big.txt}\nwaf: {mode: enforce}\n", when="ip in @big"))
        changed(g, g.file.read_text().replace("certificates:\n", "certificates:\n" + "".join(
            "  - {certificate: c%d.pem, key: c%d.key}\n" % (i, i) for i in range(500))), "portcullis.yaml")
    finally:
        stop.set()
        asking.join()
    assert len(waits) > 100 and max(waits) < 0.1, sorted(waits)[-5:]


@pytest.mark.slow
def test_two_hundred_reloads_under_load_lose_nothing(gateway, origin, capsys):
    g = gateway("processes: {workers: 2, inspectors: 2}\nclient: {requests: 1000000, keep_alive: 5m}", origin=origin,
                policies={"shop": policy(451)})
    big = b"x" * (4 << 20)
    origin.answers["/big"] = [page(big)]
    stop, failed, done = threading.Event(), [], [0] * 4

    def keep_asking(number):
        with g.client(tls=number == 0, timeout=30) as c:
            while not stop.is_set():
                try:
                    seen = c.get("/x" if number != 3 else "/big")
                    fine = seen.status in (451, 452) if number != 3 else seen.body == big
                    if not fine:
                        failed.append((number, seen.status))
                except (Closed, OSError) as fault:
                    failed.append((number, fault))
                    return
                done[number] += 1
                time.sleep(0.002)

    threads = [threading.Thread(target=keep_asking, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    resident = []
    try:
        for i in range(200):
            changed(g, policy(451 + i % 2))
            if i in (2, 99, 199):
                time.sleep(0.5)
                resident.append(sum(int(status_of(p, "VmRSS")[0]) for p in [g.process.pid, *g.role("worker")]))
    finally:
        stop.set()
        for t in threads:
            t.join()
    with capsys.disabled():
        print("\n200 reloads beside %s requests: %d failed; resident KiB of supervisor and workers after the 3rd, 100th and 200th: %s"
              % (done, len(failed), resident))
    assert not failed and min(done) > 5
    assert resident[2] < resident[0] * 1.02 + 512
    assert all(r["status"] in (200, 451, 452) for r in g.log())
