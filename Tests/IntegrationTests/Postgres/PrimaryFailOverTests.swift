// A primary that is lost in the middle of everything, and the replica that is promoted in its place.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A primary that is lost")
    struct PrimaryFailOver {
        @Test func `viewers see every position, and every acknowledged ping is in the promoted replica once`() throws {
            let gateway = try RunningGateway(ownPostgres: true, starts: false)
            let replica = try LocalPostgres.startReplica(of: gateway.postgres)
            defer { replica.remove() }
            gateway.environment["DROVER_POSTGRES_URL"] = LocalPostgres.url(
                of: [gateway.postgres, replica], database: gateway.database)
            try gateway.start()
            let key = try gateway.key(RunningGateway.steering)
            try gateway.awaitStores()
            try gateway.postgres.awaitReplicas()
            let viewer = try gateway.viewer(key)
            viewer.send("{\"id\":1,\"subscribe\":[\"driver:van-1\"]}")
            _ = try viewer.json(with: "subscribed")
            let device = try gateway.ingest(key)
            let drive = TestPing.drive("van-1", from: now() - 600_000, count: 300)
            /// Sends them, and sees each of them acknowledged and on the map.
            func move(_ range: Range<Int>) throws {
                for step in range {
                    device.send(drive[step].json)
                    #expect(try device.json()["ack"].integer == Int64(step + 1))
                    let seen = try viewer.json(with: "positions")["positions"].array
                    #expect(seen.map { $0["recorded_at"].integer } == [drive[step].recordedAt])
                }
            }
            try move(0..<100)
            gateway.postgres.kill()
            try move(100..<150)
            try eventually("readiness names Postgres") {
                let ready = try gateway.readiness()
                return ready.status == 200 && ready.body["degraded"].names.contains("postgres")
            }
            // Nobody takes writes now, and the command says what to do.
            let check = try gateway.drover("check")
            #expect(check.output.contains("promote a replica"), "\(check.output)")
            try move(150..<200)
            try replica.promote()
            try move(200..<300)
            try gateway.awaitStores()
            try gateway.awaitHistory()
            let rows = try replica.psql(
                "SELECT count(*), count(DISTINCT recorded_at) FROM driver_location_events WHERE driver_id = 'van-1'",
                database: gateway.database)
            #expect(rows == "300|300")
            #expect(
                try replica.psql("SELECT count(*) FROM ingest_dead_letters", database: gateway.database) == "0")
            try gateway.expectConservation()
            // What is changed and asked now is changed and asked there.
            #expect(try gateway.assign("orders/o-1", ["van-1"], key: key) == ["van-1"])
            #expect(try replica.psql("SELECT driver_id FROM driver_assignments", database: gateway.database) == "van-1")
            let well = try gateway.drover("check")
            #expect(well.output.contains("ok    postgres"), "\(well.output)")
        }

        @Test func `check names several hosts without a word which of them, and a replica`() throws {
            let gateway = try RunningGateway(ownPostgres: true, starts: false)
            let replica = try LocalPostgres.startReplica(of: gateway.postgres)
            defer { replica.remove() }
            #expect(try gateway.drover("migrate").status == .exited(0))
            let hosts = LocalPostgres.url(of: [gateway.postgres, replica], database: gateway.database)
            gateway.environment["DROVER_POSTGRES_URL"] = hosts
            #expect(try gateway.drover("check").output.contains("ok    postgres"))
            gateway.environment["DROVER_POSTGRES_URL"] = hosts.replacing("&target_session_attrs=read-write", with: "")
            let several = try gateway.drover("check")
            #expect(several.output.contains("Add target_session_attrs=read-write"), "\(several.output)")
            gateway.environment["DROVER_POSTGRES_URL"] = replica.url(database: gateway.database)
            let standby = try gateway.drover("check")
            #expect(standby.output.contains("leads to a replica"), "\(standby.output)")
        }
    }
}
