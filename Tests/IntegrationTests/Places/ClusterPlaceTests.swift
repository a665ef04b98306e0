// Places over a Redis Cluster: a GEO set a cell, spread over its nodes.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("Places over a Redis Cluster")
    struct ClusterPlaces {
        @Test(arguments: ["plain", "sharded"])
        func `questions, areas and feeds work by cells`(pubsub: String) throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let first = try RunningGateway(settings: ["redis.url": cluster.url, "redis.pubsub": pubsub])
            let second = try first.companion()
            let key = try first.key()
            let start = now() - 20_000
            // Toronto, Lagos and Fiji, on both sides of a meridian where cells meet: -78.75.
            let places = [
                (43.65, -78.7502), (43.65, -78.7498), (6.45, 3.4), (-17, 179.9999), (-17, -179.9999),
            ]
            try first.post(
                places.enumerated().map { index, place in
                    TestPing("c-\(index)", at: start, latitude: place.0, longitude: place.1)
                }, token: key)
            func ids(_ gateway: RunningGateway, _ query: String) throws -> [String] {
                let response = try gateway.http("GET", "/v1/drivers?\(query)", token: key)
                try #require(response.status == 200, "\(response.text)")
                return try JSON(parsing: response.text)["drivers"].array.compactMap { $0["driver_id"].string }
            }
            func members(_ set: String) throws -> [String] {
                try cluster.command("ZRANGE", set, "0", "-1").split(separator: "\n").map(String.init).filter {
                    !$0.isEmpty
                }
            }
            for gateway in [first, second] {
                try eventually("near, over the cells' border") {
                    try ids(gateway, "near=43.65,-78.7502") == ["c-0", "c-1"]
                }
                #expect(try ids(gateway, "area=43,-80,44,-78") == ["c-0", "c-1"])
                try eventually("over the antimeridian") { try ids(gateway, "near=-17,180") == ["c-3", "c-4"] }
                try eventually("everywhere") { try ids(gateway, "area=-90,-180,90,180").count == 5 }
                try eventually("in the feed") {
                    let fleet = try JSON(parsing: gateway.http("GET", "/fleet.geojson", token: key).text)
                    return fleet["features"].array.count == 5
                }
            }
            #expect(try members("drivers:geo:95.71") == ["c-0"])
            #expect(try members("drivers:geo:95.72") == ["c-1"])
            #expect(try members("drivers:geo:68.130") == ["c-2"])

            // He drives over the border of the cells, into an area that is watched at the other gateway, and out of it.
            let area = "area:43.6,-78.7501,43.7,-78.7"
            let viewer = try ScreenedViewer(second, key)
            let answer = try viewer.subscribe([area])[0]["subscribed"][area]
            #expect(answer["positions"].array.map(\.["driver_id"].string) == ["c-1"])
            try first.post([TestPing("c-0", at: start + 5_000, latitude: 43.65, longitude: -78.7499)], token: key)
            try viewer.read("he comes in") { $0.newest("c-0") == start + 5_000 }
            try first.post([TestPing("c-0", at: start + 10_000, latitude: 43.65, longitude: -78.7503)], token: key)
            try viewer.read("he leaves") { $0.events.contains(.left(driver: "c-0", subject: area)) }
            try first.post([TestPing("c-0", at: start + 15_000, latitude: 43.65, longitude: -78.7499)], token: key)
            try eventually("he stands in one cell") {
                try members("drivers:geo:95.71").isEmpty && members("drivers:geo:95.72").sorted() == ["c-0", "c-1"]
            }
            // Through the other gateway he goes back: what the first one has left is found to be old, and goes.
            try second.post([TestPing("c-0", at: start + 20_000, latitude: 43.65, longitude: -78.7503)], token: key)
            try eventually("and again") {
                #expect(try ids(first, "area=43,-80,44,-78") == ["c-0", "c-1"])
                return try members("drivers:geo:95.71") == ["c-0"] && members("drivers:geo:95.72") == ["c-1"]
            }
        }
    }
}
