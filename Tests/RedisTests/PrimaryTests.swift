// A plain primary with replicas, and one that Sentinels watch.

import LocalServers
import RedisClient
import Testing

extension RedisServers {
    @Suite("A primary") struct PrimaryTests {
        /// A primary and its replica on loopback.
        private func pair() throws -> (primary: LocalRedis, replica: LocalRedis) {
            let primary = try LocalRedis.startOnPort()
            let replica = try LocalRedis.startOnPort()
            try replica.command("REPLICAOF", "127.0.0.1", "\(#require(primary.port))")
            return (primary, replica)
        }

        @Test func `a replica is not used: its primary is found through it, whatever stands first`() throws {
            let (primary, replica) = try pair()
            defer { for server in [primary, replica] { server.kill() } }
            for url in [
                "redis://\(replica.endpoint!),\(primary.endpoint!)", "redis://\(replica.endpoint!)",
                "redis://\(primary.endpoint!),\(replica.endpoint!)",
            ] {
                let scene = try StoreScene(url)
                try scene.awaitReady()
                #expect(try scene.ask("SET", "a", url) == .status("OK"))
                #expect(try primary.command("GET", "a") == url)
                #expect(scene.store.servers.contains(primary.endpoint!))
                #expect(scene.store.lastError == nil)
            }
        }

        @Test func `READONLY sends the store to the new primary, also where nobody awaits the reply`() throws {
            let (first, second) = try pair()
            defer { for server in [first, second] { server.kill() } }
            for isAwaited in [true, false] {
                let (old, new) = isAwaited ? (first, second) : (second, first)
                let scene = try StoreScene("redis://\(first.endpoint!),\(second.endpoint!)")
                try scene.awaitReady()
                #expect(try scene.ask("SET", "a", "before") == .status("OK"))
                try new.command("REPLICAOF", "NO", "ONE")
                try old.command("REPLICAOF", "127.0.0.1", "\(#require(new.port))")
                // A demoted server keeps its clients' connections; only its answers tell.
                try scene.scene.await("the change was told") {
                    if isAwaited {
                        scene.store.send(["SET", "a", "after"]) { _ in }
                        scene.store.flush()
                    } else {
                        scene.send([["SET", "a", "after"], ["SET", "b", "after"]])
                    }
                    return scene.changes == [true, false, true]
                }
                #expect(try scene.ask("SET", "a", "new") == .status("OK"))
                #expect(try new.command("GET", "a") == "new")
            }
        }

        @Test func `a primary that is gone is waited for, and the reason is told`() throws {
            let (primary, replica) = try pair()
            defer { for server in [primary, replica] { server.kill() } }
            let scene = try StoreScene("redis://\(primary.endpoint!),\(replica.endpoint!)")
            try scene.awaitReady()
            primary.kill()
            try scene.scene.await("the loss") { scene.changes == [true, false] }
            #expect(try scene.ask("GET", "a") == .lost)
            try scene.scene.await("the replica is no help") {
                scene.store.lastError?.contains("is a replica and its primary cannot be reached") == true
            }
            try replica.command("REPLICAOF", "NO", "ONE")
            try scene.scene.await("the return") { scene.changes == [true, false, true] }
            #expect(try scene.ask("SET", "a", "1") == .status("OK"))
        }

        @Test func `a full Redis refuses, which is told after a while, and not as a loss`() throws {
            let server = try LocalRedis.start()
            defer { server.stop() }
            let scene = try StoreScene(server.url)
            try scene.awaitReady()
            try server.command("CONFIG", "SET", "maxmemory", "1")
            scene.send([["SET", "a", "1"], ["SET", "b", "1"], ["PING"]])
            try scene.scene.await("the refusal") { scene.refusals == 1 }
            #expect(scene.changes == [true])
            #expect(scene.store.errorReplies == 2)
            try server.command("CONFIG", "SET", "maxmemory", "0")
            #expect(try scene.ask("SET", "a", "1") == .status("OK"))
        }

        @Test func `all keys are found by their pattern`() throws {
            let server = try LocalRedis.start()
            defer { server.stop() }
            let scene = try StoreScene(server.url)
            try scene.awaitReady()
            scene.send((0..<3_000).map { ["SET", "counter:\($0)", "1"] } + [["SET", "other", "1"]])
            var found: Set<String> = []
            var isComplete: Bool?
            scene.store.scan("counter:*") {
                found.formUnion($0)
            } done: {
                isComplete = $0
            }
            try scene.scene.await("the scan") { isComplete != nil }
            #expect(isComplete == true)
            #expect(found == Set((0..<3_000).map { "counter:\($0)" }))
        }

        @Test func `Sentinels name the primary, and the new one after a fail-over in the middle of writes`() throws {
            let group = try LocalSentinels.start()
            defer { group.stop() }
            // The first Sentinel is away: the next is asked.
            group.sentinels[0].kill()
            let scene = try StoreScene(group.url)
            let listener = try SubscriptionScene(group.url, .plain, in: scene.scene)
            listener.subscribe(["news"])
            try scene.awaitReady()
            try listener.awaitStanding(["news"])
            #expect(scene.store.servers.contains(group.primary.endpoint!))
            var number = 0
            scene.scene.onBeat = {
                number += 1
                scene.send([["SET", "n", "\(number)"]])
            }
            try scene.scene.await("some writes") { number > 20 }
            group.primary.kill()
            try scene.scene.await("the new primary") { scene.changes == [true, false, true] }
            try listener.awaitStanding(["news"])
            #expect(listener.losses == 1)
            #expect(listener.contradictions.isEmpty)
            scene.scene.onBeat = {}
            let last = "\(number + 1)"
            #expect(try scene.ask("SET", "n", last) == .status("OK"))
            #expect(try group.replica.command("GET", "n") == last)
            #expect(try scene.ask("PUBLISH", "news", "hello") == .integer(1))
            try scene.scene.await("the message") { listener.messages["news"] == ["hello"] }
        }

        @Test func `a primary that Sentinels replace while it still answers is left`() throws {
            let group = try LocalSentinels.start()
            defer { group.stop() }
            let scene = try StoreScene(group.url)
            try scene.awaitReady()
            #expect(try group.sentinels[1].command("SENTINEL", "FAILOVER", LocalSentinels.name) == "OK")
            try scene.scene.await("the new primary") {
                scene.store.isReady && scene.store.servers.contains(group.replica.endpoint!)
            }
            #expect(try scene.ask("SET", "a", "1") == .status("OK"))
            #expect(try group.replica.command("GET", "a") == "1")
        }

        @Test func `a name that no Sentinel knows is told with what to write`() throws {
            let group = try LocalSentinels.start()
            defer { group.stop() }
            let scene = try StoreScene(String(group.url.dropLast(LocalSentinels.name.count)) + "other")
            try scene.scene.await("the reason") {
                scene.store.lastError?.contains("knows no primary called other") == true
            }
            #expect(!scene.store.isReady)
            #expect(try scene.ask("GET", "a") == .lost)
        }
    }
}
