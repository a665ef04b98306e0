// The section `system` of a configuration file: what is read, and what is refused with its line.
import Foundation
import Testing
import Tracking

@testable import Gateway

@Suite struct SystemConfigurationTests {
    private func read(_ yaml: String) throws -> SystemConfiguration {
        var configuration = Configuration()
        try configuration.apply(yaml: yaml, name: "x.yaml")
        return configuration.system
    }

    private func refusal(_ yaml: String) -> String {
        do {
            _ = try read(yaml)
            return "taken"
        } catch {
            return "\(error)"
        }
    }

    private static let whole = """
        redis: { location_ttl_s: 30 }
        system:
          name: bakery
          postgres_url: postgresql:///bakery
          search_path: shop, public
          words: { driver: rider/riders, group: kitchen/kitchens }
          statements:
            riders:
              sql: SELECT o.id AS order_id, o.rider AS driver_id FROM orders o WHERE o.id = ANY ({orders}) AND {orders} <> '{}'
              cache_s: 7
              changes: [ orders, "shop.riders(id, state)" ]
            subjects: { sql: "SELECT {users} AS user_id" }
            session: { sql: "SELECT {token}, {token_sha256}, {token}" }
            keep: { sql: "INSERT INTO t SELECT FROM jsonb_to_recordset({rows}) AS r(x int)" }
          credentials:
            - name: cookie
              redis: "session:{token}"
              claims: { user: user_id }
              active: is_active
              roles:
                customer: { party: viewer, subjects: subjects }
                rider: { party: device, driver: user }
            - { name: row, statement: session, role: admin, roles: { admin: { party: backend, permissions: [positions:read] } } }
          permissions: { "orders:read": positions:read, "orders:all": [positions:read, assignments:write] }
          look_ups: { order_drivers: riders }
          writes: { positions: { statement: keep, every_s: 2, row: "lat, lng" } }
          incoming: { shop: { event: { path: a.b }, ttl: 3 } }
          provision: SELECT 1
        """

    @Test func `the whole section is read`() throws {
        let system = try read(Self.whole)
        #expect(system.name == "bakery")
        #expect(system.postgresURL == "postgresql:///bakery")
        #expect(system.searchPath == "shop, public")
        #expect(system.words.driver == Words.Word(one: "rider", many: "riders"))
        #expect(system.words.order == Words().order)
        #expect(system.words.group == Words.Word(one: "kitchen", many: "kitchens"))
        let riders = try #require(system.statements["riders"])
        #expect(riders.sql.hasSuffix("WHERE o.id = ANY ($1::text[]) AND $1::text[] <> '{}'"))
        #expect(riders.parameters == ["orders"])
        #expect(riders.cacheSeconds == 7)
        #expect(riders.changes == [WatchedTable("orders"), WatchedTable("shop.riders(id,state)")])
        #expect(riders.changes.last?.columns == ["id", "state"])
        #expect(system.statements["session"]?.sql == "SELECT $1::text, $2::text, $1::text")
        #expect(system.statements["session"]?.cacheSeconds == 30)
        #expect(system.statements["keep"]?.sql.contains("jsonb_to_recordset($1::jsonb)") == true)
        #expect(system.credentials.map(\.name) == ["cookie", "row"])
        #expect(system.credentials[0].origin == .redis("session:{token}"))
        #expect(system.credentials[0].claim("user") == "user_id")
        #expect(system.credentials[0].claim("id") == "id")
        #expect(system.credentials[0].requiresActive)
        #expect(system.credentials[0].roles["rider"]?.party == .device)
        #expect(system.credentials[0].roles["rider"]?.driver == "user")
        #expect(system.credentials[0].roles["customer"]?.subjects == "subjects")
        #expect(system.credentials[1].origin == .statement("session"))
        #expect(system.credentials[1].roles["admin"]?.permissions == [.readPositions])
        #expect(
            system.permissions == ["orders:read": [.readPositions], "orders:all": [.readPositions, .writeAssignments]])
        #expect(system.lookUps == [.orderDrivers: "riders"])
        #expect(system.writes == [.positions: SystemWrite(statement: "keep", everySeconds: 2, row: "lat, lng")])
        #expect(system.incoming["shop"]?.members == ["event.path": "a.b", "ttl": "3"])
        #expect(system.provision == "SELECT 1")
    }

    @Test func `the README's example is read`() throws {
        let text = try RepositoryFile.text("README.md")
        let chapter = try #require(text.components(separatedBy: "## Your own data model").dropFirst().first)
        let example = try #require(chapter.components(separatedBy: "```yaml").dropFirst().first)
        let system = try read(try #require(example.components(separatedBy: "```").first))
        #expect(system.statements.keys.sorted() == ["booked", "carries", "log_fix", "pass"])
        #expect(system.writes.keys.first == .positions)
        #expect(system.lookUps == [.orderDrivers: "carries"])
    }

    @Test func `without the section nothing is fitted`() throws {
        #expect(try read("redis: { location_ttl_s: 30 }") == SystemConfiguration())
        #expect(try read(Self.whole) != SystemConfiguration())
    }

    @Test(arguments: [
        ("system: 3", "x.yaml:1: system is a map"),
        ("system:\n  nam: x", "x.yaml:2: system has no nam; it may have name, "),
        ("system:\n  words: { driver: rider }", "system.words.driver is one/many in small letters"),
        ("system:\n  statements:\n    a: { cache_s: 3 }", "x.yaml:3: system.statements.a needs sql"),
        ("system:\n  statements:\n    a: { sql: S, cache_s: x }", "a whole number from 0 to 86400, not x"),
        (
            "system:\n  statements:\n    a: { sql: S, changes: [ \"o r(\" ] }",
            "system.statements.a.changes holds tables"
        ),
        ("system:\n  look_ups: { order_drivers: riders }", "no statement is called riders"),
        ("system:\n  look_ups: { riders: riders }", "system.look_ups has no riders"),
        (
            "system:\n  statements: { a: { sql: \"{users}\" } }\n  look_ups: { order_drivers: a }",
            "x.yaml:3: system.look_ups.order_drivers: a has the parameter {users}; it may have {orders}"
        ),
        (
            "system:\n  statements: { a: { sql: \"{rows}\" } }\n  writes: { changed: { statement: a } }",
            "a has the parameter {rows}; it may have none"
        ),
        ("system:\n  writes: { position: { statement: a } }", "position is one of positions, seen, watched"),
        ("system:\n  credentials: [ { name: a } ]", "needs one of statement, redis and jwt: true"),
        ("system:\n  credentials: [ { name: a, jwt: true } ]", "system.credentials[0] needs roles"),
        ("system:\n  credentials: [ { name: a, redis: key } ]", "is a key that holds {token} once"),
        (
            "system:\n  credentials: [ { name: a, jwt: true, roles: { x: { party: guest } } } ]",
            "party is device, viewer or backend"
        ),
        (
            "system:\n  credentials: [ { name: a, jwt: true, role: y, roles: { x: { party: viewer } } } ]",
            "role is none of its roles"
        ),
        (
            "system:\n  permissions: { \"a:b\": position:read }",
            "no permission is called position:read; there are pings:write"
        ),
    ])
    func `what is wrong is refused with its line and what is expected`(yaml: String, words: String) {
        let refusal = refusal(yaml)
        #expect(refusal.contains(words), "\(refusal)")
        #expect(refusal.hasPrefix("x.yaml:"), "\(refusal)")
    }

    @Test func `braces that hold no name stay as they are`() {
        let statement = NamedStatement(
            name: "a", text: "SELECT '{}', '{ \"a\": 1 }'::jsonb, {x1}, '{1}', {x1}, '{' || {y}")
        #expect(statement.sql == "SELECT '{}', '{ \"a\": 1 }'::jsonb, $1::text, '{1}', $1::text, '{' || $2::text")
        #expect(statement.parameters == ["x1", "y"])
    }
}
