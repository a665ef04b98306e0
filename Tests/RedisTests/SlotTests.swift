// The pure half of a cluster's client: slots, the cutting of batches, maps and refusals.

import Testing

@testable import RedisClient

@Suite struct SlotTests {
    @Test func `slots are those of the cluster specification`() {
        // CRC16 of 123456789 is 0x31C3 (the specification's own check); the others are what CLUSTER KEYSLOT of 7.0 says.
        #expect(HashSlot.of("123456789") == 0x31C3)
        #expect(HashSlot.of("foo") == 12_182)
        #expect(HashSlot.of("") == 0)
        #expect(HashSlot.of("{user1000}.following") == HashSlot.of("user1000"))
        #expect(HashSlot.of("foo{}{bar}") == 8_363)
        #expect(HashSlot.of("foo{{bar}}zap") == HashSlot.of("{bar"))
        #expect(HashSlot.of("foo{bar}{zap}") == HashSlot.of("bar"))
        #expect(HashSlot.of("foo{bar") != HashSlot.of("bar"))
    }

    @Test func `a batch is walked command by command, each with its key`() {
        var batch = RedisCommands()
        batch.command(["HSET", "driver:a:location", "lat", "1.5", "note", "with\r\nlines"])
        batch.command(["PUBLISH", "driver:a:location", ""])
        batch.command(["EVALSHA", "0123", "2", "driver:b:location", "driver:b:x", "value"])
        batch.command(["EVAL", "return 1", "1", "driver:c:location"])
        batch.command(["EXISTS", "k"])
        batch.command(["PING"])
        batch.command(["ZADD", String(repeating: "k", count: 300), "1", "m"])
        var walk = CommandWalk()
        var keys: [String] = []
        var end = 0
        let bytes = batch.bytes
        while let (command, key) = walk.next(bytes.span) {
            #expect(command.lowerBound == end)
            end = command.upperBound
            keys.append(String(decoding: bytes[key], as: UTF8.self))
        }
        #expect(end == bytes.count)
        #expect(
            keys == [
                "driver:a:location", "driver:a:location", "driver:b:location", "driver:c:location", "k", "",
                String(repeating: "k", count: 300),
            ])
    }

    private func node(_ host: RedisReply, _ port: Int64) -> RedisReply { .array([host, .integer(port), .bytes([1])]) }

    @Test func `a map says who owns each slot, and takes back nothing that it was told later`() throws {
        let a = RedisReply.bytes(Array("10.0.0.1".utf8))
        let reply = RedisReply.array([
            .array([.integer(0), .integer(99), node(a, 7_000), node(.bytes([]), 7_001)]),
            .array([.integer(100), .integer(16_382), node(.null, 7_002)]),
            .array([.integer(5), .integer(17_000), node(a, 7_000)]),
        ])
        var map = try #require(ClusterMap(reply, host: "seed"))
        #expect(map.owner(of: 0) == .tcp(host: "10.0.0.1", port: 7_000))
        #expect(map.owner(of: 100) == .tcp(host: "seed", port: 7_002))
        #expect(map.owner(of: 16_383) == nil)
        #expect(map.replicas == [.tcp(host: "seed", port: 7_001)])
        map.move(100, to: .tcp(host: "new", port: 1))
        #expect(map.owner(of: 100) == .tcp(host: "new", port: 1))
        #expect(map.owner(of: 101) == .tcp(host: "seed", port: 7_002))
        #expect(ClusterMap(.array([]), host: "seed") == nil)
        #expect(ClusterMap(.error("ERR This instance has cluster support disabled"), host: "seed") == nil)
    }

    @Test func `refusals are told from other errors`() {
        let place = RedisAddress.Endpoint.tcp(host: "127.0.0.1", port: 6_381)
        #expect(RedisRefusal("MOVED 3999 127.0.0.1:6381", host: "x") == .moved(slot: 3_999, place))
        #expect(RedisRefusal("ASK 3999 :6381", host: "127.0.0.1") == .ask(slot: 3_999, place))
        #expect(RedisRefusal("MOVED 3999 ::1:6381", host: "x") == .moved(slot: 3_999, .tcp(host: "::1", port: 6_381)))
        #expect(RedisRefusal("MOVED 99999 127.0.0.1:6381", host: "x") == nil)
        #expect(RedisRefusal("MOVED", host: "x") == nil)
        #expect(RedisRefusal("READONLY You can't write against a read only replica.", host: "x") == .notPrimary)
        #expect(RedisRefusal("CLUSTERDOWN The cluster is down", host: "x") == .notNow)
        #expect(RedisRefusal("OOM command not allowed", host: "x") == .cannotWrite)
        #expect(RedisRefusal("WRONGTYPE Operation", host: "x") == nil)
        #expect(RedisRefusal("", host: "x") == nil)
    }

    @Test func `refusals are told after a second, and ever more rarely while they go on`() {
        var pace = RefusalPace()
        var told: [Int64] = []
        for second in Int64(1_000)..<1_060 {
            pace.refused()
            if pace.isDue(second * 1_000_000) { told.append(second - 1_000) }
        }
        #expect(told.first == 0)
        let gaps = zip(told.dropFirst(), told).map { $0 - $1 }
        #expect(gaps == gaps.sorted() && gaps.last == 8, "\(told)")
        // After a quiet while the pace begins anew.
        for second in Int64(2_000)...2_001 {
            pace.refused()
            let isDue = pace.isDue(second * 1_000_000)
            #expect(isDue)
        }
    }
}
