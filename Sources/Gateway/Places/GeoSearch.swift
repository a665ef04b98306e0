/// Reads the GEO set by place, in pages, each of which is an answer of Redis of its own: nobody waits for a long one.
import RedisClient
import Tracking

/// A member of the set: who stood where when the set was last written.
struct GeoMember {
    let id: DriverID
    let latitude: Degrees7
    let longitude: Degrees7
    /// Where it was found.
    let cell: GeoKeys.Cell
}

/// One question, answered once. Lives on the loop's thread, and as long as somebody waits for it.
final class GeoSearch {
    /// Members of one answer, and questions that are under way at once.
    private static let page = 1_000
    private static let maximumRunning = 16
    /// Cells that are asked for one by one; for a greater box the index says which there are.
    private static let maximumCells = 64
    /// The most members that one question looks at, some 20 MB; what lies beyond is not found.
    static let maximumMembers = 200_000

    /// A range of scores in one of the sets.
    private struct Part {
        let cell: GeoKeys.Cell
        let key: String
        var low: UInt64
        let end: UInt64
        /// Members at `low` that were read already.
        var skipped = 0
    }

    private let redis: RedisStore
    private let keys: GeoKeys
    private let then: ([GeoMember]) -> Void
    private var parts: [Part] = []
    private var running = 0
    private var isFinished = false
    private var members: [GeoMember] = []

    private init(_ redis: RedisStore, _ keys: GeoKeys, then: @escaping ([GeoMember]) -> Void) {
        (self.redis, self.keys, self.then) = (redis, keys, then)
    }

    /// The members inside a box, and some beside it; where Redis is away, what was read of them before. A driver who moves
    /// meanwhile may be there twice, one who has left a cell unseen in several.
    static func members(
        in box: Box, _ redis: RedisStore?, _ keys: GeoKeys, then: @escaping ([GeoMember]) -> Void
    ) {
        guard let redis, redis.isReady else { return then([]) }
        let search = GeoSearch(redis, keys, then: then)
        if let cells = keys.cells(of: box, atMost: maximumCells) { return search.start(cells, box) }
        redis.send(["SMEMBERS", keys.index]) { reply in
            let cells = reply.elements?.compactMap { $0.text.flatMap(keys.cell(named:)) } ?? []
            // Whole cells: so many of them are mostly inside.
            search.start(cells.filter { keys.touches(box, $0) }, nil)
        }
    }

    private func start(_ cells: [GeoKeys.Cell], _ box: Box?) {
        for cell in cells {
            let ranges = box.map { GeoHash.ranges(of: $0) } ?? [0..<1 << 54]
            for range in ranges {
                parts.append(
                    Part(cell: cell, key: keys.key(of: cell), low: range.lowerBound, end: range.upperBound))
            }
        }
        advance()
    }

    private func advance() {
        while running < Self.maximumRunning, let part = parts.popLast() {
            guard members.count < Self.maximumMembers else { continue }
            running += 1
            ask(part)
        }
        if running == 0, parts.isEmpty, !isFinished {
            isFinished = true
            then(members)
        }
    }

    private func ask(_ part: Part) {
        let command = [
            "ZRANGEBYSCORE", part.key, "\(part.low)", "(\(part.end)", "WITHSCORES", "LIMIT", "\(part.skipped)",
            "\(Self.page)",
        ]
        redis.send(command) { [self] reply in
            running -= 1
            take(reply.elements ?? [], of: part)
            advance()
        }
    }

    private func take(_ elements: [RedisReply], of part: Part) {
        var last: UInt64?
        var first: UInt64?
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            guard let score = elements[index + 1].text.flatMap({ Double($0) }), score >= 0, score < 0x1p60 else {
                continue
            }
            let number = UInt64(score)
            first = first ?? number
            last = number
            guard let id = elements[index].text.flatMap({ DriverID($0) }) else { continue }
            let place = GeoHash.place(of: number)
            members.append(
                GeoMember(id: id, latitude: place.latitude, longitude: place.longitude, cell: part.cell))
        }
        guard elements.count >= 2 * Self.page, let first, let last else { return }
        var next = part
        // By score, not by rank: who stands still is on one of the pages whatever the others do.
        next.skipped = first == last ? (part.low == first ? part.skipped : 0) + Self.page : 0
        next.low = last
        parts.append(next)
    }
}
