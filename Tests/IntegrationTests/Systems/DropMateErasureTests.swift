// DropMate (seed 001): the erasing of a customer and of a driver, down to what DropMate keeps itself.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration.DropMateTests {
    @Test func `a customer who is erased loses the live view at once, and what is personal`() throws {
        let platform = try Platform()
        let gateway = platform.gateway
        let viewer = try platform.viewer(10)
        try viewer.subscribe(["order:order-10"])
        let own = try gateway.key("telemetry:erase,sessions:write,positions:read")
        let session = try gateway.http(
            "POST", "/v1/tracking-sessions", token: own,
            body: "{\"subjects\":[\"order:order-10\"],\"customer_id\":\"customer-10\",\"ttl_s\":600}")
        try #require(session.status == 201, "\(session.text)")
        let reply = try gateway.http("DELETE", "/v1/customers/customer-10/tracking", token: own)
        #expect(reply.status == 200, "\(reply.text)")
        let receipt = try JSON(parsing: reply.text)
        #expect(receipt["platform"].flag == true && receipt["removed"]["tracking_sessions"].integer == 1)
        #expect([4401, 4403].contains(try viewer.socket.closure().code))
        #expect(try !gateway.admits("view-token-10"))
        #expect(
            try gateway.sql(
                """
                SELECT concat_ws('|', u.email, u.phone, c.name, o.contact, a.line1, a.lat, m.body,
                    u.deleted_at IS NOT NULL AND c.deleted_at IS NOT NULL AND m.deleted_at IS NOT NULL, p.amount)
                FROM customers c JOIN users u ON u.id = c.user_id JOIN orders o ON o.customer_id = c.id
                JOIN delivery_addresses a ON a.customer_id = c.id JOIN messages m ON m.author_user_id = u.id
                JOIN payments p ON p.order_id = o.id WHERE c.id = 'customer-10'
                """) == ["|t|19.99"])
        #expect(try gateway.count("SELECT count(*) FROM tracking_sessions WHERE customer_id = 'customer-10'") == 0)
        #expect(
            try gateway.count(
                "SELECT count(*) FROM drover.tracking_sessions WHERE customer_id IS NOT NULL OR revoked_at IS NULL")
                == 0)
        let trail = """
            SELECT subject FROM drover.api_audit_logs WHERE action = 'customer.erase'
            """
        let hash = try #require(receipt["customer_hash"].string)
        #expect(try gateway.sql(trail) == ["erased:\(hash.prefix(32))"])
        #expect(
            try gateway.count("SELECT count(*) FROM drover.api_audit_logs a WHERE a::text LIKE '%customer-10%'")
                == 0)
        // Again by the command: nothing is left to be done, and it says so.
        let again = try gateway.drover("erase", "--customer", "customer-10", "--yes", "--config", platform.file)
        #expect(try JSON(parsing: again.output)["removed"]["tracking_sessions"].integer == 0, "\(again.output)")
        // The neighbour is as before.
        #expect(try gateway.sql("SELECT name FROM customers WHERE id = 'customer-11'") == ["Customer 11"])
        _ = try platform.viewer(11)
    }

    @Test func `a driver's erasure reaches DropMate's copies too`() throws {
        let platform = try Platform()
        let gateway = platform.gateway
        try platform.report(17)
        try platform.set("en_route", of: 17)
        try gateway.awaitHistory()
        try eventually("the snapshot and the event's place are there") {
            try gateway.count(
                """
                SELECT count(*) FROM driver_location_snapshots l, shipment_events e
                WHERE l.driver_id = 'driver-17' AND e.driver_id = 'driver-17' AND e.lat IS NOT NULL
                """) == 1
        }
        let reply = try gateway.http("DELETE", "/v1/drivers/driver-17/telemetry", token: "refresh-token-admin")
        let id = try #require(try JSON(parsing: reply.text)["id"].string)
        let receipt = try awaitValue("the receipt") {
            let receipt = try JSON(
                parsing: try gateway.http("GET", "/v1/erasures/\(id)", token: "refresh-token-admin").text)
            return receipt["state"].string == "done" ? receipt : nil
        }
        #expect(receipt["removed"]["history_rows"].integer == 1, "\(receipt)")
        for table in [
            "driver_location_events", "driver_location_snapshots", "driver_sessions", "driver_devices",
            "driver_profiles", "driver_assignments", "shipment_events",
        ] {
            #expect(
                try gateway.count("SELECT count(*) FROM \(table) WHERE driver_id = 'driver-17'") == 0, "\(table)")
        }
        #expect(
            try gateway.count("SELECT count(*) FROM shipments WHERE current_driver_location_id IS NOT NULL") == 0)
        #expect(try gateway.count("SELECT count(*) FROM shipment_events WHERE lat IS NOT NULL") == 0)
        #expect(try gateway.sql("SELECT phone FROM users WHERE id = 'user-driver-17'") == [nil])
        try eventually("the login is good for nothing any more") { try !gateway.admits("refresh-token-17") }
        #expect(try platform.redis.hash("driver:driver-17:location").isEmpty)
    }
}
