// The descriptions that the gateway serves, and the README, against the code they describe: they cannot drift apart.
import Foundation
import Testing
import Tracking

@testable import Gateway

@Suite struct DocumentTests {
    private static let openAPI = "Sources/Gateway/Documents/openapi.yaml"
    private static let asyncAPI = "Sources/Gateway/Documents/asyncapi.yaml"

    @Test func `openapi dot yaml describes the router's routes and the pages, and no others`() throws {
        let described = try Self.described()
        #expect(Set(described).count == described.count)
        let routed = Route.table.map { "\($0.method) \($0.path)" }
        #expect(Set(routed).count == routed.count)
        let served = try RepositoryFile.text("Sources/Gateway/Assets.swift")
        let assets = Set(
            served.matches(of: #/(?:assets\[|request\.path == )"(\/[^"\\]*)"/#).map { String($0.1) })
        #expect(assets.count >= 5, "the pattern no longer finds the assets")
        // The pages' own files are described as one.
        let pages = assets.filter { !$0.hasPrefix("/assets/") }.union(["/assets/{file}"]).map { "get \($0)" }
        #expect(Set(described) == Set(routed + pages))
    }

    @Test func `each route that needs a permission is described with it`() throws {
        let text = try RepositoryFile.text(Self.openAPI)
        for route in Route.table {
            guard let permission = route.permission else { continue }
            let path = try #require(text.split(separator: "\n  \(route.path):\n").dropFirst().first)
            let item = path.prefix(upTo: path.firstRange(of: #/\n  \S/#)?.lowerBound ?? path.endIndex)
            let method = try #require(
                ("\n" + item).split(separator: "\n    \(route.method):\n").last)
            let operation = method.prefix(upTo: method.firstRange(of: #/\n    \w/#)?.lowerBound ?? method.endIndex)
            #expect(operation.contains("eeds `\(permission.rawValue)`"), "\(route.method) \(route.path)")
        }
    }

    /// `get /v1/drivers` and so on, as openapi.yaml has them.
    private static func described() throws -> [String] {
        var path = ""
        var operations: [String] = []
        for line in try RepositoryFile.text(openAPI).split(separator: "\n") {
            if let match = line.wholeMatch(of: #/  (\/\S*):/#) {
                path = String(match.1)
            } else if let match = line.wholeMatch(of: #/    (get|post|put|delete|patch):/#) {
                operations.append("\(match.1) \(path)")
            }
        }
        return operations
    }

    @Test func `asyncapi dot yaml describes the WebSockets' addresses and subprotocols`() throws {
        let text = try RepositoryFile.text(Self.asyncAPI)
        let addresses = Set(text.matches(of: #/address: (\S+)/#).map { String($0.1) })
        #expect(addresses == Set(SocketPath.table.keys))
        let subprotocols = SocketPath.table.values.compactMap(\.subprotocol)
        #expect(subprotocols.count == 2)
        for subprotocol in subprotocols { #expect(text.contains("`\(subprotocol)`")) }
    }

    @Test func `every close code of the code is in asyncapi dot yaml, and no other`() throws {
        var used: Set<String> = ["1002", "1007"]  // the library's own
        for path in [
            "Sources/Gateway/Gateway.swift", "Sources/Gateway/Ingest/IngestSocket.swift",
            "Sources/Gateway/Track/TrackSocket.swift", "Sources/Gateway/Recorder/RecorderSocket.swift",
            "Sources/WebServer/WebConnection.swift",
            "Sources/WebServer/WebServer.swift", "Sources/WebServer/WebServerCallback.swift",
        ] {
            used.formUnion(try RepositoryFile.text(path).matches(of: #/close\(code: (\d{4})/#).map { String($0.1) })
        }
        let rows = try RepositoryFile.text(Self.asyncAPI).matches(of: #/\n *\| (\d{4}) \|/#).map { String($0.1) }
        #expect(Set(rows) == used)
        #expect(rows == rows.sorted())
    }

    @Test func `every error code of the live WebSocket is described`() throws {
        let source = try RepositoryFile.text("Sources/Gateway/Track/TrackSocket.swift")
        let used = Set(source.matches(of: #/error\((?:id|nil|request\.id), "([a-z_]+)"/#).map { String($0.1) })
        let text = try RepositoryFile.text(Self.asyncAPI)
        let list = try #require(text.firstMatch(of: #/enum: \[(bad_request[^\]]*)\]/#)).1
        #expect(used == Set(list.split(separator: ", ").map(String.init)))
    }

    @Test(arguments: [openAPI, asyncAPI]) func `the reasons are the judge's, in its order`(path: String) throws {
        let list = try #require(RepositoryFile.text(path).firstMatch(of: #/enum: \[(malformed[^\]]*)\]/#)).1
        #expect(list.split(separator: ", ").map(String.init) == RejectionReason.allCases.map { "\($0.name)" })
    }

    @Test(arguments: [openAPI, asyncAPI]) func `the members of a ping are the decoder's`(path: String) throws {
        let text = try RepositoryFile.text(path)
        let schema = try #require(
            text.firstMatch(of: #/\n    Ping:\n(?:      .*\n)*?      properties:\n((?:        .*\n)+)/#))
        let members = schema.1.matches(of: #/(?:^|\n)        ([a-z_]+):/#).map { String($0.1) }
        #expect(members.sorted() == PingField.allCases.map { "\($0.name)" }.sorted())
    }

    @Test func `every code of a problem is described`() throws {
        var used: Set<String> = []
        for path in try RepositoryFile.sources(of: "Sources/Gateway") + RepositoryFile.sources(of: "Sources/WebServer")
        {
            let source = try RepositoryFile.text(path)
            used.formUnion(source.matches(of: #/response\(\s*\d{3}, "([a-z_]+)"/#).map { String($0.1) })
            used.formUnion(source.matches(of: #/code: "([a-z_]+)"/#).map { String($0.1) })
        }
        let text = try RepositoryFile.text(Self.openAPI)
        let list = try #require(text.firstMatch(of: #/enum:\n((?:            - [a-z_]+\n)+)/#)).1
        #expect(used == Set(list.matches(of: #/- ([a-z_]+)/#).map { String($0.1) }))
    }

    @Test func `the README explains every reason and names no metric that is not there`() throws {
        let text = try RepositoryFile.text("README.md")
        for reason in RejectionReason.allCases { #expect(text.contains("`\(reason.name)`"), "\(reason.name)") }
        // The trigger and channel of that name are none.
        let named = Set(text.matches(of: #/`(drover_[a-z_]+)/#).map { String($0.1) }).subtracting(["drover_change"])
        for metric in named {
            let source =
                try RepositoryFile.text("Sources/Gateway/Operations/Metrics.swift")
                + RepositoryFile.text("Sources/Gateway/Workers/WorkerQuestions.swift")
            #expect(source.contains("\"\(metric)\""), "\(metric) is no metric")
        }
    }

    @Test func `config slash test runs every target of tests`() throws {
        let script = try RepositoryFile.text("config/test")
        let targets = try RepositoryFile.text("Package.swift").matches(of: #/testTarget\(\s*name: "(\w+)"/#)
        #expect(targets.count > 10)
        for target in targets { #expect(script.contains(String(target.1)), "\(target.1)") }
    }

    @Test func `every file that the README names is there`() throws {
        let text = try RepositoryFile.text("README.md")
        let named = Set(text.matches(of: #/`((?:Sources|Tests|config)\/[A-Za-z0-9_.+\/-]+)/#).map { String($0.1) })
        #expect(named.count > 30)
        // A migration that is an example.
        for path in named where path != "config/schema/000N_what.sql" {
            #expect(FileManager.default.fileExists(atPath: RepositoryFile.path(path)), "\(path)")
        }
    }

    @Test func `every test that the README calls as a witness is in the file that it names`() throws {
        let text = try RepositoryFile.text("README.md")
        let section = try #require(text.split(separator: "\n## ").first { $0.hasPrefix("What an acknowledgement") })
        var file: String?
        var found = 0
        for match in section.matches(of: #/`(Tests\/[^`]*)`|[^*]\*([a-z][^*]*)\*[^*]/#) {
            if let path = match.1 {
                file = String(path)
            } else if let name = match.2, let file, name != "clamped" {
                #expect(try RepositoryFile.text(file).contains("func `\(name)`"), "\(name) in \(file)")
                found += 1
            }
        }
        #expect(found >= 12)
    }
}
