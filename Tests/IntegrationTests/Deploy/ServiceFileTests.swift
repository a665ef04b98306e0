// The files of config/ that run Drover as a service or as a container, as far as they can be tried without systemd as the
// first process and without a registry of images.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Service files")
    struct ServiceFiles {
        private static let service = "config/systemd/drover.service"

        /// The values of a directive.
        private static func values(_ directive: String) throws -> [String] {
            try ConfigFile.text(service).split(separator: "\n").filter { $0.hasPrefix(directive + "=") }
                .map { String($0.dropFirst(directive.count + 1)) }
        }

        @Test func `systemd understands every line and has little left to say about what is open`() throws {
            let directory = try TemporaryDirectory(prefix: "ds")
            defer { directory.remove() }
            // Another program in its place: verify asks whether there is one.
            let path = "\(directory.path)/drover.service"
            let text = try ConfigFile.text(Self.service)
            #expect(text.contains("ExecStart=/usr/bin/drover serve "))
            try text.replacingOccurrences(of: "/usr/bin/drover", with: droverProgram)
                .write(toFile: path, atomically: true, encoding: .utf8)
            let verified = try Command.run(["systemd-analyze", "verify", "--man=no", path])
            #expect(verified.status?.isSuccess == true, "\(verified.output)")
            #expect(!verified.output.contains("drover.service"), "\(verified.output)")
            // In tenths of systemd's points, 0 to 100; what is left is the network.
            let security = try Command.run(["systemd-analyze", "security", "--offline=true", "--threshold=15", path])
            #expect(security.status?.isSuccess == true, "\(security.output)")
            let users = try Command.run(
                ["systemd-sysusers", "--dry-run", ConfigFile.path("config/systemd/drover.sysusers")])
            #expect(users.status?.isSuccess == true && users.output.contains("drover"), "\(users.output)")
        }

        @Test func `the service's command line is one that drover knows`() throws {
            let help = try Command.runChecked([droverProgram, "serve", "--help"])
            let words = try #require(try Self.values("ExecStart").first).split(separator: " ")
            #expect(words.prefix(2) == ["/usr/bin/drover", "serve"])
            for option in words where option.hasPrefix("--") { #expect(help.contains(option), "\(option)") }
            let container = try ConfigFile.text("config/container/Containerfile")
            for option in container.matches(of: /"(--[a-z-]+)"/) { #expect(help.contains(option.1), "\(option.1)") }
            #expect(try Self.values("ExecReload") == ["/bin/kill -HUP $MAINPID"])
            #expect(try #require(try Self.values("TimeoutStopSec").first.flatMap { Int($0) }) > 5)
        }

        @Test func `the service may do what it is allowed to with the calls it makes`() throws {
            let allowed = try Self.allowedCalls()
            let gateway = try RunningGateway(starts: false)
            let trace = "\(gateway.directory.path)/calls"
            // The tracer is a process of its own beside it (-D), so that signals go to the gateway.
            try gateway.start(under: ["strace", "-D", "-f", "-qq", "-o", trace, "-e", "signal=none"])
            let key = try gateway.key()
            try gateway.awaitStores()
            try gateway.post(TestPing.drive("van-1", from: now() - 100_000, count: 50), token: key)
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            _ = try viewer.json(with: "subscribed")
            #expect(try gateway.http("GET", "/fleet").status == 200)
            #expect(try gateway.http("GET", "/metrics").status == 200)
            try gateway.awaitHistory()
            #expect(gateway.stop(within: .seconds(20)) == .exited(0))
            let text = try String(contentsOfFile: trace, encoding: .utf8)
            let lines = text.split(separator: "\n")
            let calls = Set(lines.compactMap { $0.firstMatch(of: /^\d+ +([a-z0-9_]+)\(/).map { String($0.1) } })
            #expect(calls.count > 30 && calls.contains("fdatasync"), "\(calls.sorted())")
            #expect(calls.subtracting(allowed).isEmpty, "\(calls.subtracting(allowed).sorted())")
            // What the other directives forbid: memory that is written and run, sockets of other families.
            #expect(!lines.contains { $0.contains("PROT_WRITE|PROT_EXEC") })
            let families = Set(lines.compactMap { $0.firstMatch(of: /socket\((AF_[A-Z0-9]+)/).map { String($0.1) } })
            let permitted = Set(try Self.values("RestrictAddressFamilies")[0].split(separator: " ").map(String.init))
            #expect(families.subtracting(permitted).isEmpty, "\(families)")
        }

        /// The calls that SystemCallFilter= leaves.
        private static func allowedCalls() throws -> Set<String> {
            var allowed: Set<String> = []
            for value in try values("SystemCallFilter") {
                let isDenied = value.hasPrefix("~")
                for group in value.drop(while: { $0 == "~" }).split(separator: " ") {
                    let calls = try calls(in: String(group))
                    if isDenied { allowed.subtract(calls) } else { allowed.formUnion(calls) }
                }
            }
            return allowed
        }

        private static func calls(in group: String) throws -> Set<String> {
            var calls: Set<String> = []
            for line in try Command.runChecked(["systemd-analyze", "syscall-filter", group]).split(separator: "\n") {
                let word = line.trimmingCharacters(in: .whitespaces)
                if word.hasPrefix("#") || word == group { continue }
                if word.hasPrefix("@") { calls.formUnion(try self.calls(in: word)) } else { calls.insert(word) }
            }
            return calls
        }

        @Test func `the container holds every library of Debian that drover is linked with`() throws {
            let text = try ConfigFile.text("config/container/Containerfile")
            let stages = text.components(separatedBy: "\nFROM ")
            try #require(stages.count == 3)
            func packages(_ stage: String) -> [String] {
                guard let from = stage.range(of: "--no-install-recommends"), let end = stage.range(of: "&& rm") else {
                    return []
                }
                return stage[from.upperBound..<end.lowerBound].split { " \\\n".contains($0) }.map(String.init)
            }
            let (build, run) = (packages(stages[1]), packages(stages[2]))
            for package in build + run {
                let shown = try Command.run(["apt-cache", "show", "--no-all-versions", package])
                #expect(shown.output.contains("Package: \(package)\n"), "\(package)")
            }
            let setup = try ConfigFile.text("config/setup")
            for package in build { #expect(setup.contains(package), "\(package)") }
            let libraries = try Command.runChecked(["ldd", droverProgram]).split(separator: "\n").compactMap { line in
                let words = line.split { $0 == " " || $0 == "\t" }
                // Swift's own are inside the program there.
                return words.count >= 3 && words[1] == "=>" && !words[2].contains("swift") ? "*/\(words[0])" : nil
            }
            let owners = try Command.run(["dpkg-query", "--search"] + libraries).output.split(separator: "\n")
            let needed = Set(owners.compactMap { $0.split(separator: ":").first.map(String.init) })
                .union(["libwebsockets-evlib-uv", "libjs-leaflet"])
            #expect(needed.contains("libpq5") && needed.contains("libuv1"), "\(needed.sorted())")
            let installed = try Self.closure(of: run)
            #expect(needed.subtracting(installed).isEmpty, "\(needed.subtracting(installed).sorted())")
            #expect(stages[1].contains("--static-swift-stdlib"))
        }

        /// The packages and all that they depend on.
        private static func closure(of packages: [String]) throws -> Set<String> {
            let text = try Command.runChecked(
                [
                    "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
                    "--no-breaks",
                    "--no-replaces", "--no-enhances",
                ] + packages)
            return Set(
                text.split(separator: "\n").filter { !$0.hasPrefix(" ") }.map(String.init))
        }

        @Test func `the container's health check says yes to a gateway and no to none`() throws {
            let text = try ConfigFile.text("config/container/Containerfile")
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("HEALTHCHECK") })
            let array = try JSON(parsing: String(line[try #require(line.firstIndex(of: "["))...]))
            let command = array.array.compactMap(\.string)
            try #require(command.count == 3 && command[2].contains("/8080"))
            let gateway = try SharedGateway.get().gateway
            func check(_ port: Int) throws -> Bool {
                let script = command[2].replacingOccurrences(of: "/8080", with: "/\(port)")
                return try Command.run(Array(command.prefix(2)) + [script]).status?.isSuccess == true
            }
            #expect(try check(gateway.port))
            #expect(try !check(try ByteStream.freePort()))
        }
    }
}
