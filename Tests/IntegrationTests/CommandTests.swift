// The command's surface: help, exit codes, one line that says what to do.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

extension Integration {
    @Suite("The command")
    struct TheCommand {
        @Test(arguments: [
            [], ["serve"], ["demo"], ["migrate"], ["check"], ["key"], ["key", "create"], ["key", "list"],
            ["key", "revoke"], ["partitions"], ["partitions", "list"], ["partitions", "maintain"],
            ["partitions", "archive"], ["nodes"], ["nodes", "list"], ["nodes", "retire"], ["nodes", "admit"],
            ["replay"], ["simulate"],
        ])
        func `every command has help`(words: [String]) throws {
            let result = try Command.run([droverProgram] + words + ["--help"])
            #expect(result.status == .exited(0))
            #expect(result.output.contains("USAGE: "))
            #expect(result.output.contains("OVERVIEW: "))
        }

        @Test func `a failure is one line that says what to do, and a code that is not 0`() throws {
            let shared = try SharedGateway.get()
            let nowhere = "DROVER_POSTGRES_URL"
            let file = shared.gateway.directory.path + "/bad.yaml"
            try "judge:\n  future_tolerance: 3\n".write(toFile: file, atomically: true, encoding: .utf8)
            let wrong: [(arguments: [String], environment: [String: String], words: String)] = [
                (["serve", "--set", "journal.limit=5"], [:], "did you mean journal.limit_mib"),
                (["serve", "--set", "journal.limit_mib=five"], [:], "whole number from"),
                (["serve", "--config", "/nonexistent.yaml"], [:], "/nonexistent.yaml"),
                (["serve", "--config", file], [:], "did you mean judge.future_tolerance_s"),
                (["serve", "--listen", "nowhere"], [:], "ADDRESS:PORT"),
                (["serve"], ["DROVER_REDIS_URL": "rediss://h"], "stunnel"),
                (["serve"], ["DROVER_LIVE_TICK_MS": "0"], "DROVER_LIVE_TICK_MS"),
                (["serve"], ["DROVER_JOURNAL_DIRECTORY": "/proc/none"], "DROVER_JOURNAL_DIRECTORY"),
                (["key", "create", "--name", "n", "--permissions", "pings:read"], [:], "pings:write"),
                (["key", "create", "--name", "n", "--permissions", ""], [:], "--permissions"),
                (["key", "revoke", "none"], [:], "drover key list"),
                (["partitions", "archive", "--day", "soon"], [:], "2026-11-21"),
                (["partitions", "archive", "--day", "2001-01-01"], [:], "drover partitions list"),
                (["partitions", "archive", "--set", "history.archive_directory="], [:], "ARCHIVE_DIRECTORY"),
                (["partitions", "maintain", "--at", "soon"], [:], "RFC 3339"),
                (["partitions", "list"], [nowhere: "postgresql:///x?host=/nonexistent"], "/nonexistent"),
                (["key", "list"], [nowhere: "postgresql:///x?host=/nonexistent"], "/nonexistent"),
                (["nodes", "retire", "none"], [:], "drover nodes list"),
                (["nodes", "admit", "none"], [:], "drover nodes list"),
                (["migrate"], [nowhere: "postgresql:///x?host=/nonexistent"], "/nonexistent"),
                (["replay", "/nonexistent.gpx", "--key", "k"], [:], "/nonexistent.gpx"),
            ]
            for (arguments, changes, words) in wrong {
                let environment = shared.gateway.environment.merging(changes) { $1 }
                let result = try Command.run(
                    [droverProgram] + arguments, environment: environment.mapValues { $0 }, within: .seconds(20))
                let name = "\(arguments) \(changes): \(result.output)"
                #expect(result.status != .exited(0) && result.status != nil, "\(name)")
                #expect(result.output.contains(words), "\(name)")
                #expect(result.output.split(separator: "\n").count == 1, "\(name)")
            }
        }

        @Test func `a taken port is named with what to set`() throws {
            let shared = try SharedGateway.get()
            let stream = try ByteStream(port: shared.gateway.port)
            let environment = shared.gateway.environment.merging([
                "DROVER_JOURNAL_DIRECTORY": shared.gateway.directory.path + "/another",
                "DROVER_LISTEN": "203.0.113.1:80",
            ]) { $1 }
            let result = try Command.run(
                [droverProgram, "serve"], environment: environment.mapValues { $0 }, within: .seconds(20))
            #expect(result.status == .exited(1))
            #expect(result.output.contains("DROVER_LISTEN"), "\(result.output)")
            stream.finishSending()
        }

        @Test func `no failure shows a password`() throws {
            let shared = try SharedGateway.get()
            let secret = "hunter2hunter2"
            let changes: [[String: String]] = [
                ["DROVER_POSTGRES_URL": "postgresql://u:\(secret)@127.0.0.1:1/x"],
                ["DROVER_POSTGRES_URL": "postgresql://u:\(secret)@:bad:/x?y"],
                ["DROVER_REDIS_URL": "redis://u:\(secret)@127.0.0.1:1/0"],
                ["DROVER_REDIS_URL": "redis://u:\(secret)@127.0.0.1:x/0"],
            ]
            for change in changes {
                let environment = shared.gateway.environment.merging(change) { $1 }
                let result = try Command.run(
                    [droverProgram, "check"], environment: environment.mapValues { $0 }, within: .seconds(30))
                #expect(result.status != .exited(0))
                #expect(!result.output.contains(secret), "\(result.output)")
            }
        }

        @Test func `check says what is well and what is not`() throws {
            let gateway = try RunningGateway(starts: false)
            let before = try gateway.drover("check")
            #expect(before.status == .exited(1))
            #expect(before.output.contains("drover migrate"), "\(before.output)")
            #expect(try gateway.drover("migrate").status == .exited(0))
            let well = try gateway.drover("check")
            for part in ["listen", "redis", "postgres", "journal", "archive"] {
                #expect(well.output.contains("ok    \(part)"), "\(well.output)")
            }
            gateway.environment["DROVER_REDIS_URL"] = "unix:///nonexistent/redis.sock"
            gateway.environment["DROVER_POSTGRES_URL"] = "postgresql:///x?host=/nonexistent"
            gateway.environment["DROVER_JOURNAL_DIRECTORY"] = "/nonexistent/journal"
            gateway.environment["DROVER_HISTORY_ARCHIVE_DIRECTORY"] = "/nonexistent/archive"
            let bad = try gateway.drover("check")
            #expect(bad.status == .exited(1))
            for part in ["redis", "postgres", "journal", "archive"] {
                #expect(bad.output.contains("FAIL  \(part)"), "\(bad.output)")
            }
            #expect(bad.output.contains("/nonexistent/redis.sock"))
            #expect(bad.output.contains("DROVER_JOURNAL_DIRECTORY"))
        }

        @Test func `migrate makes the schema once`() throws {
            let gateway = try RunningGateway(starts: false)
            gateway.set("postgres.schema", "Tracking room")
            #expect(try gateway.drover("migrate").output == "applied 1, 2, 3, 4, 5, 6\n")
            #expect(try gateway.drover("migrate").output == "nothing to do\n")
            let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'Tracking room'"
            #expect(try gateway.count(tables) >= 5)
            #expect(try gateway.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0)
        }

        @Test func `key create prints the key alone, list shows no key, revoke ends it`() throws {
            let gateway = try RunningGateway(starts: false)
            let errors = gateway.directory.path + "/errors"
            let created = try Command.run(
                [
                    "sh", "-c", "exec \"$0\" key create --name 'Night shift' --permissions pings:write 2>\"$1\"",
                    droverProgram, errors,
                ], environment: gateway.environment.mapValues { $0 })
            #expect(created.status == .exited(0))
            let key = try #require(created.output.split(separator: "\n").first.map(String.init))
            #expect(created.output == key + "\n")
            #expect(key.hasPrefix("drk_") && key.count <= 100)
            #expect(try Command.runChecked(["cat", errors]).isEmpty)
            let listed = try gateway.drover("key", "list").output
            let columns = listed.split(separator: "\n")[0].split(separator: "\t").map(String.init)
            try #require(columns.count == 7)
            #expect(columns[1] == "Night shift")
            #expect(columns[2] == "pings:write")
            #expect(columns[3] == "all")
            #expect(columns[4] == "default")
            #expect(columns[6] == "active")
            #expect(!listed.contains(key))
            #expect(try gateway.count("SELECT count(*) FROM api_keys a WHERE a::text LIKE '%\(key)%'") == 0)
            #expect(try gateway.drover("key", "revoke", columns[0]).status == .exited(0))
            #expect(try gateway.drover("key", "list").output.contains("revoked"))
            try gateway.start()
            try gateway.awaitStores()
            let refused = try gateway.http("POST", "/v1/pings", token: key, body: TestPing("v", at: now()).json)
            #expect(refused.status == 401)
        }

        @Test func `the demo runs, ends and leaves nothing behind`() throws {
            let place = try TemporaryDirectory(prefix: "dd")
            defer { place.remove() }
            // PostgreSQL runs as its own user where we are root.
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.path)
            let result = try Command.run(
                [droverProgram, "demo", "--seconds", "5", "--port", "0"], environment: ["TMPDIR": place.path],
                within: .seconds(60))
            #expect(result.status == .exited(0), "\(result.output)")
            #expect(result.output.contains("/fleet#token="), "\(result.output)")
            #expect(result.output.contains("pings "), "\(result.output)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).isEmpty)
            // Whatever it started had its directory in its arguments or its environment.
            let running = try Command.run(["sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '"])
            #expect(!running.output.contains(place.path))
        }

        @Test func `pages, documents and metrics are served`() throws {
            let shared = try SharedGateway.get()
            for (path, type) in [("/fleet", "text/html"), ("/map", "text/html")] {
                let response = try shared.gateway.http("GET", path)
                #expect(response.status == 200, "\(path)")
                #expect(response.header("Content-Type")?.hasPrefix(type) == true, "\(path)")
            }
            let metrics = try shared.gateway.http("GET", "/metrics").text
            var described: Set<Substring> = []
            for line in metrics.split(separator: "\n") {
                let words = line.split(separator: " ")
                if line.hasPrefix("# TYPE ") {
                    described.insert(words[2])
                } else if !line.hasPrefix("#") {
                    let name = line.prefix { $0 != "{" && $0 != " " }
                    let family =
                        ["_bucket", "_sum", "_count"].first { name.hasSuffix($0) }
                        .map { name.dropLast($0.count) } ?? name
                    #expect(described.contains(name) || described.contains(family), "\(line)")
                    #expect(words.last.flatMap { Double($0) } != nil, "\(line)")
                }
            }
            #expect(described.count > 20)
        }

        @Test func `metrics are for configured addresses, or a key that may`() throws {
            let gateway = try RunningGateway(settings: ["web.metrics_from": "203.0.113.9"])
            let key = try gateway.key("metrics:read")
            let other = try gateway.key()
            #expect(try gateway.http("GET", "/metrics").status == 401)
            #expect(try gateway.http("GET", "/metrics", token: other).status == 403)
            #expect(try gateway.http("GET", "/metrics", token: key).text.contains("drover_ready 1"))
        }

        @Test func `simulated vans drive, and viewers see them`() throws {
            let shared = try SharedGateway.get()
            let result = try shared.gateway.drover(
                "simulate", "--gateway", shared.gateway.address, "--key", shared.key, "--drivers", "5", "--viewers",
                "2",
                "--hertz", "5", "--seconds", "3")
            #expect(result.status == .exited(0), "\(result.output)")
            #expect(try shared.gateway.http("GET", "/v1/drivers/van-0001/position", token: shared.key).status == 200)
        }
    }

    /// Last, by its name and place: what all gateways of this run have logged.
    @Suite("Z: the logs")
    struct Logs {
        @Test func `no log has a token or a position in it`() throws {
            // A log that surely had the occasion: every credential carrier, refused and accepted pings, debug level.
            let gateway = try RunningGateway(settings: ["log.level": "trace"])
            let key = try gateway.key()
            let secrets = [key, "drk_mistaken-identity", "a.json.webtoken"]
            for secret in secrets {
                _ = try gateway.http("POST", "/v1/pings", token: secret, body: TestPing("v", at: now()).json)
                _ = try gateway.http("POST", "/v1/pings?token=\(secret)", body: "[{\"lat\":43.6532,")
                _ = try gateway.http("GET", "/v1/drivers?near=43.6532,-79.3832&api_key=\(secret)")
                _ = try WebSocketProbe(
                    port: gateway.port, "/v1/ingest?token=\(secret)", subprotocols: "drover.ingest.v1")
                let socket = try WebSocketProbe(
                    port: gateway.port, "/v1/track", subprotocols: "drover.v1, bearer.\(secret)")
                socket.send("{\"id\":1,\"token\":\"\(secret)\"}")
            }
            try gateway.post(
                [TestPing("v", at: now(), accuracy: 500), TestPing("v", at: now(), latitude: 91)], token: key)
            gateway.stop()
            let logs = LogBook.current() + LogBook.finished.withLock { $0 }
            #expect(logs.count > 1)
            let known = LogBook.secrets.withLock { $0 }.union(secrets)
            for log in logs {
                #expect(!known.contains { log.contains($0) })
                for coordinate in ["43.6532", "79.3832", "43.65", "436532"] {
                    #expect(!log.contains(coordinate), "\(coordinate)")
                }
            }
        }
    }
}
