// A real cluster of six: commands find their node, whatever happens to the nodes meanwhile.

import LocalServers
import Testing

@testable import RedisClient

extension RedisServers {
    @Suite("A cluster") struct ClusterTests {
        private func withCluster(_ body: (LocalRedisCluster, StoreScene) throws -> Void) throws {
            let cluster = try LocalRedisCluster.start()
            defer { cluster.stop() }
            let scene = try StoreScene(cluster.url)
            try scene.awaitReady()
            try body(cluster, scene)
        }

        @Test func `batches are cut by node, questions find theirs, and every primary is asked for all keys`() throws {
            try withCluster { cluster, scene in
                #expect(scene.changes == [true])
                #expect(scene.store.isCluster)
                #expect(scene.store.servers == "3 of 3 primaries")
                let keys = (0..<500).map { "driver:\($0):location" }
                scene.send(keys.map { ["HSET", $0, "lat", "1"] } + keys.map { ["PEXPIRE", $0, "60000"] })
                for key in keys.prefix(50) { #expect(try scene.ask("HGET", key, "lat").text == "1") }
                #expect(scene.store.errorReplies == 0)
                var sizes: [RedisReply]?
                scene.store.sendToEach(["DBSIZE"]) { sizes = $0 }
                scene.store.flush()
                try scene.scene.await("the sizes") { sizes != nil }
                let counts = try #require(sizes).map { if case .integer(let count) = $0 { count } else { Int64(-1) } }
                #expect(counts.count == 3 && counts.allSatisfy { $0 > 100 } && counts.reduce(0, +) == 500)
                var found: Set<String> = []
                var isComplete: Bool?
                scene.store.scan("driver:*") {
                    found.formUnion($0)
                } done: {
                    isComplete = $0
                }
                try scene.scene.await("the scan") { isComplete != nil }
                #expect(isComplete == true)
                #expect(found == Set(keys))
                #expect(
                    try scene.ask("EVAL", "return redis.call('GET', KEYS[1]) or 'none'", "1", "x").text == "none")
            }
        }

        /// Names of three keys of one slot, so that a part of it can be moved.
        private let keys = ["{moving}a", "{moving}b", "{moving}c"]

        @Test func `a slot that moves is followed: ASK on the way, MOVED at the end, refused writes are told`() throws {
            try withCluster { cluster, scene in
                for key in keys { #expect(try scene.ask("SET", key, "0") == .status("OK")) }
                let slot = "\(HashSlot.of("moving"))"
                let source = try cluster.owner(of: keys[0])
                let target = try #require(cluster.nodes.prefix(3).first { $0.port != source.port })
                let (sourceID, targetID) = (
                    try source.command("CLUSTER", "MYID"), try target.command("CLUSTER", "MYID")
                )
                try target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceID)
                try source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", targetID)
                try source.command("MIGRATE", "127.0.0.1", "\(#require(target.port))", keys[0], "0", "5000")
                // The first is at the target, the second at the source, and a new one belongs to the target.
                #expect(try scene.ask("APPEND", keys[0], "1").isNumber(2))
                #expect(try scene.ask("APPEND", keys[1], "1").isNumber(2))
                #expect(try scene.ask("SET", "{moving}new", "1") == .status("OK"))
                // Two keys of which one has moved: the cluster asks for patience, and has the last word after it.
                #expect(
                    try scene.ask("DEL", keys[0], keys[1])
                        == .error("TRYAGAIN Multiple keys request during rehashing of slot"))
                scene.send([["SET", keys[0], "2"]])
                try scene.scene.await("the refused write is told") { scene.refusals >= 1 }
                for key in keys.dropFirst() {
                    try source.command("MIGRATE", "127.0.0.1", "\(#require(target.port))", key, "0", "5000")
                }
                for node in cluster.nodes.prefix(3) {
                    try node.command("CLUSTER", "SETSLOT", slot, "NODE", targetID)
                }
                #expect(try scene.ask("APPEND", keys[1], "2").isNumber(3))
                #expect(try target.command("GET", keys[1]) == "012")
                #expect(scene.store.errorReplies == 1)
                // The map was learnt: a batch goes where the slot is.
                scene.send([["SET", keys[2], "9"]])
                try scene.await(.bytes(Array("9".utf8)), to: "GET", keys[2])
                #expect(scene.store.errorReplies == 1)
                #expect(!scene.changes.contains(false))
            }
        }

        @Test func `a batch that meets a moved slot is told as refused, and goes right from then on`() throws {
            try withCluster { cluster, scene in
                let slot = "\(HashSlot.of("moving"))"
                let source = try cluster.owner(of: "{moving}")
                let target = try #require(cluster.nodes.prefix(3).first { $0.port != source.port })
                let targetID = try target.command("CLUSTER", "MYID")
                for node in [target, source] + cluster.nodes.prefix(3) {
                    try node.command("CLUSTER", "SETSLOT", slot, "NODE", targetID)
                }
                try scene.scene.await("a refused write is told") {
                    scene.send([["SET", keys[0], "1"]])
                    return scene.refusals > 0 || scene.changes.count > 1
                }
                scene.send([["SET", keys[0], "2"]])
                try scene.await(.bytes(Array("2".utf8)), to: "GET", keys[0])
                #expect(try target.command("GET", keys[0]) == "2")
            }
        }

        @Test func `a primary killed in the middle of writes: the others go on, its replica's taking over is told`()
            throws
        {
            try withCluster { cluster, scene in
                let keys = (0..<60).map { "driver:\($0):location" }
                var round = 0
                scene.scene.onBeat = {
                    round += 1
                    scene.send(keys.map { ["SET", $0, "\(round)"] })
                }
                try scene.scene.await("some writes") { round > 20 }
                let victim = try cluster.owner(of: keys[0])
                victim.kill()
                // No more writes come by themselves: what is told must be enough to bring the last ones home.
                scene.scene.onBeat = {}
                scene.writeAgain = { scene.send(keys.map { ["SET", $0, "last"] }) }
                scene.writeAgain()
                try scene.scene.await("the fail-over is told") {
                    scene.changes.count > 1 && scene.store.servers == "3 of 3 primaries"
                }
                #expect(!scene.changes.contains(false))
                for key in keys { try scene.await(.bytes(Array("last".utf8)), to: "GET", key) }
                // It comes back as a replica and changes nothing.
                try victim.restart()
                try cluster.awaitHealth()
                #expect(try scene.ask("SET", keys[0], "again") == .status("OK"))
                #expect(scene.store.servers == "3 of 3 primaries")
            }
        }

        @Test func `without any node nothing is ready, and everything is told again at their return`() throws {
            try withCluster { cluster, scene in
                for node in cluster.nodes { node.kill() }
                try scene.scene.await("the loss") { scene.changes == [true, false] }
                #expect(!scene.store.isReady)
                #expect(try scene.ask("GET", "a") == .lost)
                try scene.scene.await("the reason") { scene.store.lastError?.contains("cannot reach Redis") == true }
                for node in cluster.nodes { try node.restart() }
                try cluster.awaitHealth()
                try scene.scene.await("the return") { scene.changes.last == true }
                try scene.await(.status("OK"), to: "SET", "a", "1")
            }
        }

        @Test func `a server that is no cluster is told so, with what to write`() throws {
            let server = try LocalRedis.startOnPort()
            defer { server.stop() }
            let scene = try StoreScene("redis-cluster://\(server.endpoint!)")
            try scene.scene.await("the reason") {
                scene.store.lastError?.contains("Write its address as redis://") == true
            }
            #expect(!scene.store.isReady)
        }
    }
}

extension RedisReply {
    func isNumber(_ number: Int64) -> Bool { self == .integer(number) }
}
