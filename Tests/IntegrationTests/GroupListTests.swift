import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Groups to choose from") struct GroupListTests {
        @Test func `groups are listed with their drivers, to a limited key those that it names`() throws {
            let gateway = try RunningGateway()
            let key = try gateway.key("assignments:write,positions:read,sessions:write")
            try gateway.awaitStores()
            #expect(try Self.groups(gateway, key) == [:])
            for (group, drivers) in [("east-1", ["a", "b"]), ("east-2", ["b"]), ("west", ["c"]), ("empty", ["d"])] {
                _ = try gateway.assign("groups/\(group)", drivers, key: key)
            }
            _ = try gateway.assign("groups/empty", [], key: key)
            #expect(try Self.groups(gateway, key) == ["east-1": 2, "east-2": 1, "west": 1])
            for (subjects, expected) in [
                ("group:west", ["west": 1]), ("group:east-*", ["east-1": 2, "east-2": 1]),
                ("group:*", ["east-1": 2, "east-2": 1, "west": 1]),
                (
                    "group:east-*,group:west,driver:a",
                    [
                        "east-1": 2, "east-2": 1, "west": 1,
                    ]
                ), ("driver:*", [:]), ("group:empty", [:]),
            ] {
                let limited = try gateway.key("positions:read", subjects: subjects)
                #expect(try Self.groups(gateway, limited) == expected, "\(subjects)")
            }
            let words = try gateway.http("GET", "/v1/groups", token: key)
            #expect(
                words.text
                    == "{\"groups\":[{\"id\":\"east-1\",\"drivers\":2},{\"id\":\"east-2\",\"drivers\":1},"
                    + "{\"id\":\"west\",\"drivers\":1}]}")
            #expect(words.header("Cache-Control") == "no-store")
        }

        private static func groups(_ gateway: RunningGateway, _ key: String) throws -> [String: Int] {
            let response = try gateway.http("GET", "/v1/groups", token: key)
            try #require(response.status == 200, "\(response.text)")
            return Dictionary(
                uniqueKeysWithValues: try JSON(parsing: response.text)["groups"].array.map {
                    (try #require($0["id"].string), Int(try #require($0["drivers"].integer)))
                })
        }
    }
}
