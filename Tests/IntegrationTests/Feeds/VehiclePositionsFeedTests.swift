// The GTFS-realtime feed, read by Debian's protoc with the field numbers of gtfs-realtime.proto 2.0.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("GET /gtfs-rt/vehicle-positions.pb")
    struct VehiclePositions {
        /// What the feed uses of the format, written down from its reference (gtfs.org, "GTFS Realtime Reference").
        private static let schema = """
            syntax = "proto2";
            package transit_realtime;
            message FeedMessage { required FeedHeader header = 1; repeated FeedEntity entity = 2; }
            message FeedHeader {
              enum Incrementality { FULL_DATASET = 0; DIFFERENTIAL = 1; }
              required string gtfs_realtime_version = 1;
              optional Incrementality incrementality = 2;
              optional uint64 timestamp = 3;
            }
            message FeedEntity { required string id = 1; optional VehiclePosition vehicle = 4; }
            message VehiclePosition {
              optional Position position = 2;
              optional uint64 timestamp = 5;
              optional VehicleDescriptor vehicle = 8;
            }
            message Position {
              required float latitude = 1;
              required float longitude = 2;
              optional float bearing = 3;
              optional float speed = 5;
            }
            message VehicleDescriptor { optional string id = 1; optional string label = 2; }

            """

        /// The message as protoc writes it, which also checks that everything required is there.
        private func decoded(_ body: [UInt8]) throws -> String {
            let directory = try TemporaryDirectory(prefix: "pb")
            defer { directory.remove() }
            try Self.schema.write(toFile: "\(directory.path)/feed.proto", atomically: true, encoding: .utf8)
            try Data(body).write(to: URL(fileURLWithPath: "\(directory.path)/feed.pb"))
            return try Command.runChecked(
                [
                    "sh", "-c",
                    "protoc --decode=transit_realtime.FeedMessage --proto_path=$0 $0/feed.proto < $0/feed.pb",
                    directory.path,
                ])
        }

        @Test func `protoc reads each vehicle that was heard of within 90 seconds`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key()
            let at = now() - 5_000
            // One after the other, which is their order.
            for ping in [
                TestPing("van-12", at: at, latitude: 52.520008, longitude: 13.404954, speed: 10.1, heading: 271),
                TestPing("van-13", at: at, latitude: -33.5, longitude: 151.25),
                TestPing("van-14", at: at - 90_000, latitude: 1, longitude: 1),
            ] {
                try gateway.post([ping], token: key)
            }
            let response = try gateway.http("GET", "/gtfs-rt/vehicle-positions.pb", token: key)
            #expect(response.status == 200)
            #expect(response.header("Content-Type") == "application/x-protobuf")
            let text = try decoded(response.body)
            let made = try #require(text.firstMatch(of: #/^  timestamp: (\d+)$/#.anchorsMatchLineEndings()))
            #expect(abs((Int64(made.1) ?? 0) - now() / 1_000) <= 5)
            #expect(
                text == """
                    header {
                      gtfs_realtime_version: "2.0"
                      incrementality: FULL_DATASET
                      timestamp: \(made.1)
                    }
                    entity {
                      id: "van-12"
                      vehicle {
                        position {
                          latitude: 52.5200081
                          longitude: 13.404954
                          bearing: 271
                          speed: 10.1
                        }
                        timestamp: \(at / 1_000)
                        vehicle {
                          id: "van-12"
                          label: "van-12"
                        }
                      }
                    }
                    entity {
                      id: "van-13"
                      vehicle {
                        position {
                          latitude: -33.5
                          longitude: 151.25
                        }
                        timestamp: \(at / 1_000)
                        vehicle {
                          id: "van-13"
                          label: "van-13"
                        }
                      }
                    }

                    """)
            // Readers need not say what they accept, and get the same when they do.
            for accept in ["*/*", "application/x-google-protobuf", "application/json"] {
                let again = try gateway.http(
                    "GET", "/gtfs-rt/vehicle-positions.pb?token=\(key)", headers: [("Accept", accept)])
                #expect(again.header("Content-Type") == "application/x-protobuf")
                #expect(try decoded(again.body).contains("van-13"))
            }
        }

        @Test func `an empty feed is one, and its tag does not move with the clock`() throws {
            let gateway = try RunningGateway()
            try gateway.awaitStores()
            let key = try gateway.key()
            func ask(_ headers: [(String, String)] = []) throws -> HTTPResponse {
                try gateway.http("GET", "/gtfs-rt/vehicle-positions.pb", token: key, headers: headers)
            }
            let empty = try ask()
            let text = try decoded(empty.body)
            #expect(text.hasPrefix("header {") && !text.contains("entity"))
            let tag = try #require(empty.header("ETag"))
            #expect(tag.hasPrefix("W/"), "the time in it is another one each second, with the same tag")
            // Once the clock has moved on, the bytes are others and mean the same.
            try eventually("another time in the header") { try ask().body != empty.body }
            #expect(try ask([("If-None-Match", tag)]).status == 304)
            let time = try #require(try ask().header("Last-Modified"))
            #expect(try ask([("If-Modified-Since", time)]).status == 304)
            try gateway.post([TestPing("e-1", at: now())], token: key)
            #expect(try ask([("If-None-Match", tag)]).status == 200)
            #expect(try ask([("If-Modified-Since", time)]).status == 200)

            let ours = try gateway.key("positions:read", subjects: "driver:z-*")
            let theirs = try gateway.http("GET", "/gtfs-rt/vehicle-positions.pb", token: ours)
            #expect(try !decoded(theirs.body).contains("entity"))
        }
    }
}
