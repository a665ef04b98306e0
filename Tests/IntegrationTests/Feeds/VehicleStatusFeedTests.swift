// Vehicles as the Mobility Data Specification 2.0 has them.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("GET /mds/vehicles/status")
    struct VehicleStatuses {
        private static let provider = "0d5b3a90-9f1c-4c54-9d27-4f6c3e0a9b11"
        private static let type = "application/vnd.mds+json;version=2.0"

        private func gateway() throws -> (RunningGateway, String) {
            let gateway = try RunningGateway(settings: ["mds.provider_id": Self.provider.uppercased()])
            try gateway.awaitStores()
            return (gateway, try gateway.key())
        }

        private func isUUID(_ text: String?) -> Bool {
            text?.wholeMatch(of: #/[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/#) != nil
        }

        @Test func `each vehicle has every required member, with UUIDs that stay`() throws {
            let (gateway, key) = try gateway()
            let at = now() - 2_000
            let own = "7F3A1C5E-2B4D-4E6F-8A9B-0C1D2E3F4A5B"
            try gateway.post(
                [
                    TestPing("v-1", at: at, latitude: 43.65, longitude: -79.38, speed: 8.5, heading: 271),
                    TestPing(own, at: at, latitude: 43.66, longitude: -79.39),
                    TestPing("v-3", at: at - 600_000, latitude: 43.67, longitude: -79.4),
                ], token: key)
            let response = try gateway.http("GET", "/mds/vehicles/status", token: key, headers: [("Accept", Self.type)])
            #expect(response.status == 200, "\(response.text)")
            #expect(response.header("Content-Type") == Self.type)
            let document = try JSON(parsing: response.text)
            #expect(document["version"].string == "2.0.2")
            #expect(document["ttl"].integer == 0)
            let updated = try #require(document["last_updated"].integer)
            #expect(updated > at && updated <= now())
            #expect(document["links"]["next"].isNull && document["links"].names.contains("next"))
            let vehicles = document["vehicles_status"].array
            #expect(vehicles.count == 3)
            for vehicle in vehicles {
                let device = vehicle["device_id"].string
                for part in [vehicle, vehicle["last_event"], vehicle["last_telemetry"]] {
                    #expect(isUUID(part["device_id"].string) && part["device_id"].string == device)
                    #expect(part["provider_id"].string == Self.provider)
                }
                #expect(isUUID(vehicle["last_event"]["event_id"].string))
                #expect(isUUID(vehicle["last_telemetry"]["telemetry_id"].string))
                let telemetry = vehicle["last_telemetry"]
                #expect(telemetry.names.contains("trip_ids") && telemetry["trip_ids"].isNull)
                #expect(telemetry.names.contains("journey_id") && telemetry["journey_id"].isNull)
                for part in [vehicle["last_event"], telemetry] {
                    #expect(part["location"]["lat"].number != nil && part["location"]["lng"].number != nil)
                    #expect(part["location"]["horizontal_accuracy"].number == 5)
                }
            }
            #expect(Set(vehicles.compactMap { $0["device_id"].string }).count == 3)
            func vehicle(at latitude: Double) throws -> JSON {
                try #require(vehicles.first { $0["last_telemetry"]["location"]["lat"].number == latitude })
            }
            let first = try vehicle(at: 43.65)
            #expect(first["last_telemetry"]["timestamp"].integer == at)
            #expect(first["last_telemetry"]["location"]["speed"].number == 8.5)
            #expect(first["last_telemetry"]["location"]["heading"].number == 271)
            #expect(first["last_event"]["vehicle_state"].string == "available")
            #expect(first["last_event"]["event_types"].array.map(\.string) == ["unspecified"])
            #expect(try vehicle(at: 43.66)["device_id"].string == own.lowercased())
            // Two minutes after its last fix it was lost.
            let lost = try vehicle(at: 43.67)["last_event"]
            #expect(lost["vehicle_state"].string == "non_contactable")
            #expect(lost["event_types"].array.map(\.string) == ["comms_lost"])
            #expect(lost["timestamp"].integer == at - 600_000 + 120_000)

            // The same after a restart: it is made of the operator's and the driver's names.
            let device = try #require(first["device_id"].string)
            try gateway.restart()
            try gateway.awaitStores()
            let again = try awaitValue("the vehicle is known again") { () throws -> JSON? in
                let response = try gateway.http("GET", "/mds/vehicles/status/\(device)", token: key)
                return response.status == 200 ? try JSON(parsing: response.text) : nil
            }
            #expect(again["vehicles_status"].array.count == 1)
            #expect(
                again["vehicles_status"][0]["last_telemetry"]["telemetry_id"].string
                    == first["last_telemetry"]["telemetry_id"].string)
        }

        @Test func `one vehicle, pages of them, and what is not there`() throws {
            let (gateway, key) = try gateway()
            try gateway.post((1...5).map { TestPing("p-\($0)", at: now()) }, token: key)
            var target = "/mds/vehicles/status?limit=2&token=\(key)"
            var found: [String] = []
            for expected in [2, 2, 1] {
                let response = try gateway.http("GET", target, token: key)
                let page = try JSON(parsing: response.text)
                let devices = page["vehicles_status"].array.compactMap { $0["device_id"].string }
                #expect(devices.count == expected)
                found += devices
                #expect(page["links"]["first"].string == "\(gateway.address)/mds/vehicles/status?limit=2")
                guard let next = page["links"]["next"].string else { break }
                #expect(next.hasPrefix(gateway.address) && !next.contains(key), "no address has the key in it")
                target = String(next.dropFirst(gateway.address.count))
            }
            #expect(Set(found).count == 5 && found == found.sorted())
            let one = try gateway.http("GET", "/mds/vehicles/status/\(found[3].uppercased())", token: key)
            #expect(try JSON(parsing: one.text)["vehicles_status"][0]["device_id"].string == found[3])
            #expect(try gateway.http("GET", "/mds/vehicles/status/\(Self.provider)", token: key).status == 404)
            for limit in ["0", "x", "10001"] {
                #expect(try gateway.http("GET", "/mds/vehicles/status?limit=\(limit)", token: key).status == 400)
            }
            let limited = try gateway.key("positions:read", subjects: "driver:p-4")
            let theirs = try gateway.http("GET", "/mds/vehicles/status", token: limited)
            #expect(try JSON(parsing: theirs.text)["vehicles_status"].array.count == 1)

            let tag = try #require(theirs.header("ETag"))
            let unchanged = try gateway.http(
                "GET", "/mds/vehicles/status", token: limited, headers: [("If-None-Match", tag)])
            #expect(unchanged.status == 304)
        }

        @Test func `another version is not acceptable, and without an operator there is no feed`() throws {
            let (gateway, key) = try gateway()
            func status(_ accept: String) throws -> Int {
                try gateway.http("GET", "/mds/vehicles/status", token: key, headers: [("Accept", accept)]).status
            }
            for accept in [
                Self.type, "application/vnd.mds+json; version=2.0", "application/vnd.mds+json", "*/*",
                "application/json", "application/vnd.mds+json;version=1.2, application/vnd.mds+json;version=2.0;q=0.5",
            ] {
                #expect(try status(accept) == 200, "\(accept)")
            }
            for accept in [
                "application/vnd.mds+json;version=1.2", "application/vnd.mds+json;version=2.1", "text/html",
                "application/vnd.mds+json;version=2.0;q=0",
            ] {
                #expect(try status(accept) == 406, "\(accept)")
            }
            let shared = try SharedGateway.get()
            let none = try shared.gateway.http("GET", "/mds/vehicles/status", token: shared.key)
            #expect(none.status == 404)
            #expect(try JSON(parsing: none.text)["detail"].string?.contains("mds.provider_id") == true)
        }
    }
}
