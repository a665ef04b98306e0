// The whole gateway on a Redis Cluster, on a primary that Sentinels watch, and on one that is demoted.

import DroverClient
import Foundation
import LocalServers
import Testing

extension RunningGateway {
    /// On another Redis than the fixture's own.
    convenience init(on url: String, pubsub: String = "plain") throws {
        try self.init(settings: ["redis.url": url, "redis.pubsub": pubsub])
    }
}

extension Integration {
    @Suite("Redis of several servers")
    struct RedisDeployments {
        private let names = (0..<40).map { "van-\($0)" }
        private func key(_ name: String) -> String { "driver:\(name):location" }

        /// Waits until every driver's hash has its newest fix time.
        private func awaitHashes(_ vans: MovingDrivers, in cluster: LocalRedisCluster, _ what: String) throws {
            for name in vans.names {
                let last = try #require(vans.accepted[name]?.last)
                try eventually("\(name)'s hash, \(what)", within: 20) {
                    try cluster.command("HGET", key(name), "recorded_at") == "\(last)"
                }
            }
        }

        @Test func `on a cluster pings become hashes, places, messages and frames, whatever their slots`() throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let gateway = try RunningGateway(on: cluster.url)
            let key = try gateway.key("pings:write,positions:read,telemetry:erase")
            try gateway.awaitStores()
            let vans = MovingDrivers(names, of: gateway, key: key)
            // Messages of a plain channel reach every node.
            let listener = try RedisProbe(cluster.nodes[4].socketPath)
            try listener.command("SUBSCRIBE", self.key("van-3"))
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(names.map { "driver:\($0)" })
            let first = try vans.report()
            try viewer.read("all of them") { screen in names.allSatisfy { screen.newest($0) == first } }
            try awaitHashes(vans, in: cluster, "after the first report")
            let message = try listener.next().list
            #expect(message.first?.text == "message" && message.last?.text?.contains("\(first)") == true)
            let owners = try Set(names.map { try cluster.owner(of: self.key($0)).port })
            #expect(owners.count == 3, "the drivers' keys are spread")
            let near = try JSON(
                parsing: gateway.http("GET", "/v1/drivers?near=43.65,-79.38&limit=100", token: key).text)
            #expect(near["drivers"].array.count == names.count)
            #expect(try Int(cluster.command("PTTL", self.key("van-3"))) ?? 0 > 200_000)
            #expect(try gateway.metric("drover_redis_errors_total") == 0)

            let check = try gateway.drover("check")
            #expect(check.output.contains("ok    redis: redis-cluster://"), "\(check.output)")
            #expect(check.output.contains("3 of 3 primaries"), "\(check.output)")

            // The counters of a driver's own JWT may be anywhere: every primary is looked through.
            for index in 0..<30 { try cluster.command("SET", "rate_limit:jwt:van-3:e\(index)", "1") }
            let receipt = try JSON(parsing: gateway.erase("van-3", key: key).text)
            #expect(receipt["removed"]["redis_keys"].integer ?? 0 >= 31, "\(receipt)")
            #expect(try cluster.command("EXISTS", self.key("van-3")) == "0")
            for index in 0..<30 { #expect(try cluster.command("EXISTS", "rate_limit:jwt:van-3:e\(index)") == "0") }
        }

        @Test(arguments: ["plain", "sharded"])
        func `a primary of the cluster is killed: acknowledgements and viewers go on, hashes are right soon`(
            pubsub: String
        ) throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let gateway = try RunningGateway(on: cluster.url, pubsub: pubsub)
            let key = try gateway.key()
            try gateway.awaitStores()
            let vans = MovingDrivers(names, of: gateway, key: key)
            let viewer = try ScreenedViewer(gateway, key)
            try viewer.subscribe(names.map { "driver:\($0)" })
            func move() throws {
                let last = try vans.report()
                try viewer.read("all of them moved") { screen in names.allSatisfy { screen.newest($0) == last } }
            }
            for _ in 0..<5 { try move() }
            try awaitHashes(vans, in: cluster, "before")
            let victim = try cluster.owner(of: self.key(names[0]))
            victim.kill()
            // Until its replica has taken over, and on: every ping is acknowledged and shown.
            try eventually("the replica has taken over", within: 30) {
                try move()
                return try cluster.nodes.filter { $0.isRunning }.count { try $0.command("ROLE").hasPrefix("master") }
                    == 3
            }
            for _ in 0..<5 { try move() }
            try awaitHashes(vans, in: cluster, "after the fail-over")
            #expect(try gateway.readiness().body["degraded"].names.filter { $0 == "redis" }.isEmpty)
            for name in names {
                let seen = try #require(viewer.screen.positions[name])
                #expect(zip(seen, seen.dropFirst()).allSatisfy(<), "\(name) never goes back")
            }
            try victim.restart()
            try cluster.awaitHealth()
            try move()
            try awaitHashes(vans, in: cluster, "after the return")
            try gateway.awaitHistory()
            try gateway.expectConservation()
        }

        @Test func `two gateways on a sharded cluster: viewers see what the other hears, also after a fail-over`()
            throws
        {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let here = try RunningGateway(on: cluster.url, pubsub: "sharded")
            let there = try here.companion()
            let key = try here.masterKey()
            let vans = MovingDrivers(names, of: there, key: key)
            try vans.report()
            let viewer = try ScreenedViewer(here, key)
            try viewer.subscribe(names.map { "driver:\($0)" })
            for _ in 0..<5 {
                let last = try vans.report()
                try viewer.read("all of them moved") { screen in names.allSatisfy { screen.newest($0) == last } }
            }
            let owner = try cluster.owner(of: self.key(names[0]))
            #expect(try owner.command("PUBSUB", "SHARDCHANNELS").contains(self.key(names[0])))
            owner.kill()
            try cluster.awaitHealth()
            var last = try vans.report()
            try eventually("the viewer sees the newest of all", within: 30) {
                last = try vans.report()
                let deadline = Deadline(seconds: 2)
                while !names.allSatisfy({ viewer.screen.newest($0) == last }), !deadline.isOver {
                    // Until the replica has taken over there may be nothing to read for a while.
                    try viewer.showIfAny(within: 2)
                }
                return names.allSatisfy { viewer.screen.newest($0) == last }
            }
            for name in names {
                let seen = try #require(viewer.screen.positions[name])
                #expect(zip(seen, seen.dropFirst()).allSatisfy(<), "\(name) never goes back")
            }
            // What gateways tell each other goes the same way.
            let second = try here.key("positions:read")
            let session = try ScreenedViewer(here, second)
            let id = try #require(
                try here.sql("SELECT id FROM api_keys WHERE revoked_at IS NULL ORDER BY created_at DESC")[0])
            #expect(try there.drover("key", "revoke", id).output.contains("gateways were told"))
            #expect(try session.socket.closure().code == 4403)
        }

        @Test func `on Sentinels a primary is killed: pings go on, and the new one has the newest`() throws {
            let group = try LocalSentinels.start()
            defer { group.stop() }
            let gateway = try RunningGateway(on: group.url)
            let key = try gateway.key()
            try gateway.awaitStores()
            #expect(
                try gateway.drover("check").output.contains(
                    "the primary is redis://\(#require(group.primary.endpoint))"))
            let vans = MovingDrivers(names, of: gateway, key: key)
            try vans.report()
            let first = try #require(vans.accepted[names[0]]?.last)
            try eventually("the hash") {
                try group.primary.command("HGET", self.key(names[0]), "recorded_at") == "\(first)"
            }
            group.primary.kill()
            try eventually("the fail-over") {
                try vans.report()
                return try group.replica.command("ROLE").hasPrefix("master")
            }
            let last = try vans.report()
            for name in names {
                try eventually("\(name)'s hash at the new primary", within: 20) {
                    try group.replica.command("HGET", self.key(name), "recorded_at") == "\(last)"
                }
            }
            try gateway.awaitStores()
            try gateway.awaitHistory()
            try gateway.expectConservation()
        }

        @Test func `a primary that is demoted under the gateway is left for the one that is promoted`() throws {
            let (old, new) = (try LocalRedis.startOnPort(), try LocalRedis.startOnPort())
            defer { for server in [old, new] { server.kill() } }
            try new.command("REPLICAOF", "127.0.0.1", "\(#require(old.port))")
            let gateway = try RunningGateway(on: "redis://\(#require(old.endpoint)),\(#require(new.endpoint))")
            let key = try gateway.key()
            try gateway.awaitStores()
            let vans = MovingDrivers(names, of: gateway, key: key)
            try vans.report()
            try new.command("REPLICAOF", "NO", "ONE")
            try old.command("REPLICAOF", "127.0.0.1", "\(#require(new.port))")
            // No connection is cut: only the answers to what nobody awaits tell.
            let last = try vans.report()
            for name in names {
                try eventually("\(name)'s hash at the new primary", within: 20) {
                    try new.command("HGET", self.key(name), "recorded_at") == "\(last)"
                }
            }
            #expect(try new.command("TYPE", "drivers:geo") != "none")
            try gateway.awaitStores()
        }

        @Test func `check says which part of a cluster cannot be reached`() throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            // The replica first, so that nobody takes over.
            let victim = cluster.nodes[0]
            let id = try victim.command("CLUSTER", "MYID")
            for node in cluster.nodes.suffix(3)
            where try node.command("CLUSTER", "NODES").split(separator: "\n")
                .contains(where: { $0.contains("myself") && $0.contains(id) })
            { node.kill() }
            victim.kill()
            let gateway = try RunningGateway(starts: false)
            gateway.set("redis.url", cluster.url)
            let check = try gateway.drover("check")
            #expect(check.status == .exited(1))
            let line = try #require(check.output.split(separator: "\n").first { $0.contains("redis:") })
            let place = try #require(victim.endpoint)
            #expect(line.contains("FAIL") && line.contains(place), "\(line)")
        }
    }
}
