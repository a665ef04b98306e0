// Channels at one server and in a cluster: what stands and what is lost is told exactly, and messages arrive after every
// fail-over and move.

import LocalServers
import Testing

@testable import RedisClient

extension RedisServers {
    @Suite("Subscriptions") struct SubscriptionTests {
        private let channels = (0..<1_200).map { "driver:\($0):location" }

        @Test(arguments: [RedisSubscriptions.Kind.plain, .sharded])
        func `many channels of one server stand, are changed, lost and found again`(kind: RedisSubscriptions.Kind)
            throws
        {
            let server = try LocalRedis.start()
            defer { server.stop() }
            let scene = try SubscriptionScene(server.url, kind)
            scene.subscribe(channels)
            try scene.awaitStanding(channels)
            #expect(scene.subscriptions.count == channels.count)
            let publish = kind == .plain ? "PUBLISH" : "SPUBLISH"
            #expect(try server.command(publish, channels[7], "one") == "1")
            try scene.scene.await("a message") { scene.messages[channels[7]] == ["one"] }
            // Taken back and asked for again at once: the last word counts.
            scene.subscriptions.unsubscribe([channels[7], channels[8]])
            scene.subscribe([channels[7]])
            scene.subscriptions.unsubscribe([channels[7]])
            scene.subscribe([channels[7], "other"])
            try scene.scene.await("another") { scene.standing.contains("other") }
            try scene.scene.await("the first") { try server.command(publish, channels[7], "two") == "1" }
            #expect(try server.command(publish, channels[8], "nobody") == "0")
            try scene.scene.await("a message") { scene.messages[channels[7]]?.contains("two") == true }
            #expect(scene.losses == 0)
            server.kill()
            try scene.scene.await("the loss") { scene.losses == channels.count }
            #expect(!scene.subscriptions.isConnected)
            try server.restart()
            try scene.scene.await("the return") {
                scene.standing.isSuperset(of: channels.filter { $0 != channels[8] } + ["other"])
            }
            #expect(try server.command(publish, "other", "three") == "1")
            try scene.scene.await("a message") { scene.messages["other"] == ["three"] }
            #expect(scene.unexpected == 0)
        }

        @Test func `a frozen server is noticed, and its return`() throws {
            let server = try LocalRedis.start()
            defer { server.stop() }
            let scene = try SubscriptionScene(server.url, .plain)
            scene.subscribe(["a"])
            try scene.awaitStanding(["a"])
            server.freeze()
            try scene.scene.await("the loss") { scene.losses == 1 }
            server.thaw()
            try scene.awaitStanding(["a"])
            #expect(try server.command("PUBLISH", "a", "1") != "0")
            #expect(scene.contradictions.isEmpty)
        }

        @Test func `a channel that the user has no right to is asked for until it has`() throws {
            let server = try LocalRedis.startOnPort()
            defer { server.stop() }
            try server.command("ACL", "SETUSER", "gate", "on", ">pw", "+@all", "&open")
            let scene = try SubscriptionScene("redis://gate:pw@\(server.endpoint!)", .plain)
            scene.subscribe(["open"])
            try scene.awaitStanding(["open"])
            scene.subscribe(["shut"])
            #expect(scene.subscriptions.isConnected)
            try server.command("ACL", "SETUSER", "gate", "&shut")
            try scene.awaitStanding(["open", "shut"])
            #expect(scene.losses == 0)
        }

        @Test func `plain channels of a cluster survive the loss of the node that they stand at`() throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let scene = try SubscriptionScene(cluster.url, .plain)
            scene.subscribe(["a", "b"])
            try scene.awaitStanding(["a", "b"])
            let node = try #require(
                try cluster.nodes.first { try $0.command("PUBSUB", "CHANNELS", "a") == "a" })
            node.kill()
            try scene.scene.await("the loss and the return") { scene.losses == 2 && scene.standing == ["a", "b"] }
            let other = try #require(cluster.nodes.first { $0.isRunning })
            var sent = 0
            // The nodes may still be finding each other: a cluster passes messages on to whom it is linked.
            try scene.scene.await("a message from another node") {
                sent += 1
                try other.command("PUBLISH", "b", "\(sent)")
                return scene.messages["b"] != nil
            }
            #expect(scene.contradictions.isEmpty)
        }

        @Test func `sharded channels stand at their slots' owners, and go to the replica that takes over`() throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let scene = try SubscriptionScene(cluster.url, .sharded)
            scene.subscribe(channels)
            try scene.awaitStanding(channels)
            for channel in channels.prefix(20) { #expect(try cluster.command("SPUBLISH", channel, "one") == "1") }
            try scene.scene.await("the messages") { channels.prefix(20).allSatisfy { scene.messages[$0] == ["one"] } }
            let victim = try cluster.owner(of: channels[0])
            let port = try #require(victim.port)
            let share = try victim.command("PUBSUB", "SHARDCHANNELS").split(separator: "\n").map(String.init)
            victim.kill()
            try scene.scene.await("exactly the victim's are lost") { scene.losses == share.count }
            #expect(scene.standing == Set(channels).subtracting(share))
            // The others go on meanwhile.
            let other = try #require(channels.first { !share.contains($0) })
            try scene.awaitStanding(channels)
            #expect(try cluster.owner(of: channels[0]).port != port)
            for channel in [channels[0], other] {
                try scene.scene.await("a subscriber of \(channel)") {
                    try cluster.command("SPUBLISH", channel, "two") == "1"
                }
                try scene.scene.await("the message") { scene.messages[channel]?.contains("two") == true }
            }
            #expect(scene.contradictions.isEmpty)
            #expect(scene.unexpected == 0)
        }

        @Test func `a sharded channel whose slot moves is lost, stands at the new owner, and nothing else is touched`()
            throws
        {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let scene = try SubscriptionScene(cluster.url, .sharded)
            let moving = ["{moving}a", "{moving}b"]
            let all = moving + channels.prefix(100)
            scene.subscribe(all)
            try scene.awaitStanding(all)
            let slot = "\(HashSlot.of("moving"))"
            let source = try cluster.owner(of: "{moving}")
            let target = try #require(cluster.nodes.prefix(3).first { $0.port != source.port })
            let targetID = try target.command("CLUSTER", "MYID")
            for node in [target, source] + cluster.nodes.prefix(3) {
                try node.command("CLUSTER", "SETSLOT", slot, "NODE", targetID)
            }
            try scene.scene.await("the slot's channels are lost") { scene.losses == 2 }
            try scene.awaitStanding(all)
            for channel in moving {
                #expect(try cluster.command("SPUBLISH", channel, "new") == "1")
                try scene.scene.await("the message") { scene.messages[channel] == ["new"] }
            }
            #expect(scene.losses == 2)
            #expect(scene.contradictions.isEmpty)
            scene.subscriptions.unsubscribe(all)
            scene.subscriptions.flush()
            try scene.scene.await("nobody listens") { try cluster.command("SPUBLISH", moving[0], "x") == "0" }
        }
    }
}
