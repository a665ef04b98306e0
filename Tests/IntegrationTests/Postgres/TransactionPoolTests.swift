// PgBouncer in transaction mode before Postgres, with a direct connection beside it.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A pool in transaction mode")
    struct TransactionPool {
        private static let permissions =
            "telemetry:erase,pings:write,positions:read,history:read,sessions:write,assignments:write,devices:write"

        /// A gateway behind a pool of two connections, not started.
        private static func scene() throws -> (gateway: RunningGateway, pool: LocalPgBouncer) {
            let gateway = try RunningGateway(
                settings: ["history.rollup_s": "1", "history.sessions_s": "1"], starts: false)
            let pool = try LocalPgBouncer(before: gateway.postgres)
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = gateway.environment["DROVER_POSTGRES_URL"]
            gateway.environment["DROVER_POSTGRES_URL"] = pool.url(database: gateway.database)
            return (gateway, pool)
        }

        @Test func `three gateways over two pooled connections do all that one over its own does`() throws {
            let (first, pool) = try Self.scene()
            defer { pool.stop() }
            try first.start()
            let gateways = [first, try RunningGateway(beside: first), try RunningGateway(beside: first)]
            let key = try first.key(Self.permissions)
            for gateway in gateways { try gateway.awaitStores() }
            let start = now() - 600_000
            for (index, gateway) in gateways.enumerated() {
                let drive = TestPing.drive("van-\(index)", from: start, count: 200)
                for from in stride(from: 0, to: 200, by: 50) {
                    try gateway.post(Array(drive[from..<(from + 50)]), token: key)
                }
            }
            for gateway in gateways { try gateway.awaitHistory() }
            // Repetitions at a node that does not know the drivers go by the staging table.
            for (index, gateway) in gateways.enumerated() {
                let drive = TestPing.drive("van-\((index + 1) % 3)", from: start, count: 200)
                try gateway.post(Array(drive[100...]), token: key)
                try gateway.post([TestPing("van-\(index)", at: start - 500)], token: key)
            }
            for gateway in gateways { try gateway.awaitHistory() }
            for index in 0..<3 { #expect(try first.rows(of: "van-\(index)") == 201) }
            for gateway in gateways {
                let history = try gateway.http("GET", "/v1/drivers/van-0/history?format=ndjson", token: key)
                #expect(history.text.split(separator: "\n").count == 201)
                let metrics = try gateway.metrics()
                #expect(metrics["drover_history_rows_total{outcome=\"dead_lettered\"}"] == 0)
            }
            // Steering at one, seen at another.
            #expect(try gateways[1].assign("orders/o-1", ["van-1"], key: key) == ["van-1"])
            let session = try gateways[2].session("order:o-1", key: key)
            let viewer = try gateways[0].viewer(session.token)
            viewer.send("{\"id\":1,\"subscribe\":[\"order:o-1\"]}")
            let reply = try viewer.json(with: "subscribed")
            #expect(reply["subscribed"]["order:o-1"]["positions"][0]["driver_id"].string == "van-1", "\(reply)")
            #expect(try gateways[1].http("DELETE", "/v1/tracking-sessions/\(session.id)", token: key).status == 204)
            #expect(try viewer.closure().code == 4403)
            // Maintenance has its locks: the roll-up runs, and the command runs beside it.
            try eventually("the roll-up") {
                try first.count("SELECT coalesce(sum(pings), 0) FROM driver_location_hourly") == 603
            }
            #expect(try first.count("SELECT count(*) FROM driver_location_changes") == 0)
            #expect(try first.drover("partitions", "maintain").status == .exited(0))
            let leads = try gateways.map { try $0.metrics()["drover_maintenance_leader"] ?? -1 }
            #expect(leads.reduce(0, +) == 1, "\(leads)")
            // An erasure needs all nodes.
            let receipt = try first.drover("erase", "van-2", "--yes")
            #expect(receipt.status == .exited(0), "\(receipt.output)")
            #expect(try first.rows(of: "van-2") == 0 && first.rows(of: "van-1") == 201)
            #expect(try first.drover("nodes", "list").output.split(separator: "\n").count == 3)
            // And so does a rolled-out start while others write.
            try gateways[1].restart()
            try gateways[1].awaitStores()
            #expect(try gateways[1].post([TestPing("van-1", at: now())], token: key)["accepted"].integer == 1)
            for gateway in gateways { try gateway.awaitHistory() }
            #expect(try first.rows(of: "van-1") == 202)
            for gateway in gateways { gateway.stop() }
        }

        @Test func `check tells a pool that has no direct address beside it`() throws {
            let (gateway, pool) = try Self.scene()
            defer { pool.stop() }
            #expect(try gateway.drover("migrate").status == .exited(0))
            let well = try gateway.drover("check")
            #expect(well.output.contains("through a pool, with a direct address"), "\(well.output)")
            let direct = gateway.environment["DROVER_POSTGRES_DIRECT_URL"]
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = ""
            let alone = try gateway.drover("check")
            #expect(alone.status == .exited(1))
            #expect(alone.output.contains("Set DROVER_POSTGRES_DIRECT_URL to the server behind it"), "\(alone.output)")
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = pool.url(database: gateway.database)
            let both = try gateway.drover("check")
            #expect(both.output.contains("DROVER_POSTGRES_DIRECT_URL leads through a pool"), "\(both.output)")
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = gateway.postgres.url()
            let other = try gateway.drover("check")
            #expect(other.output.contains("lead to different databases"), "\(other.output)")
            let sessions = try LocalPgBouncer(before: gateway.postgres, settings: ["pool_mode": "session"])
            defer { sessions.stop() }
            gateway.environment["DROVER_POSTGRES_URL"] = sessions.url(database: gateway.database)
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = direct
            #expect(try gateway.drover("check").status == .exited(0))
            gateway.environment["DROVER_POSTGRES_DIRECT_URL"] = ""
            #expect(try gateway.drover("check").output.contains("through a pool in session mode"))
        }
    }
}
