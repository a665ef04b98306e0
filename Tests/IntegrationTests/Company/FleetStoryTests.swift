// The issue's own story: drivers alternate between three processes, two of which are killed; then the same over a cluster.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A fleet over three gateways")
    struct FleetOverGateways {
        @Test func `drivers alternate, two gateways are killed: all is seen in order, and is in Postgres once`() throws
        {
            let gateways = try Self.gateways([:])
            try play(on: gateways, rounds: 60) { round in
                switch round {
                case 15: gateways[1].kill()
                case 25: try gateways[1].start()
                case 30: gateways[2].kill()
                case 40: try gateways[2].start()
                default: break
                }
            }
        }

        @Test(arguments: ["plain", "sharded"])
        func `the same over a cluster of six nodes of which a primary is killed`(pubsub: String) throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let gateways = try Self.gateways(["redis.url": cluster.url, "redis.pubsub": pubsub])
            let primary = try cluster.owner(of: "driver:van-0:location")
            try play(on: gateways, rounds: 60) { round in
                switch round {
                case 10: primary.kill()
                case 20: gateways[1].kill()
                case 30: try gateways[1].start()
                default: break
                }
            }
        }

        private static func gateways(_ settings: [String: String]) throws -> [RunningGateway] {
            let first = try RunningGateway(settings: settings)
            return [first, try RunningGateway(beside: first), try RunningGateway(beside: first)]
        }

        private func play(on gateways: [RunningGateway], rounds: Int, _ event: @escaping (Int) throws -> Void) throws {
            for gateway in gateways {
                try gateway.awaitStores()
                try eventually("they know each other") { try gateway.metric("drover_gateways") == 3 }
            }
            let key = try gateways[0].key()
            let story = try FleetStory(gateways, key: key, seed: 8)
            defer { story.close() }
            try story.play(rounds: rounds, event)
            try story.awaitNewest()
            #expect(story.disorder.isEmpty)
            #expect(story.refusals > 0, "somebody was told to come again")
            for gateway in gateways { try gateway.awaitHistory() }
            let expected = rounds * FleetStory.drivers
            #expect(try gateways[0].count("SELECT count(*) FROM driver_location_events") == expected)
            // A gateway that knows none of it asks the hashes.
            let fresh = try RunningGateway(beside: gateways[0])
            try fresh.awaitStores()
            for driver in stride(from: 0, to: FleetStory.drivers, by: 50) {
                let position = try fresh.http("GET", "/v1/drivers/\(FleetStory.name(driver))/position", token: key)
                #expect(try JSON(parsing: position.text)["recorded_at"].integer == story.newest)
            }
        }
    }
}
