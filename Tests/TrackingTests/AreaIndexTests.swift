import Testing

@testable import Tracking

@Suite struct AreaIndexTests {
    /// Degrees that make trouble beside those that make none.
    private static func degree(_ random: inout SeededGenerator, _ limit: Int) -> Int {
        switch random.int(0...5) {
        case 0: random.pick([-limit, limit, 0])
        case 1: random.pick([-limit + 1, limit - 1])
        default: random.int(-limit...limit)
        }
    }

    @Test(arguments: 1...6)
    func `the index finds every box around a place, also after others are gone`(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        var index = AreaIndex()
        var boxes: [Int: Box] = [:]
        var candidates: [Int32] = []
        var met = 0
        for step in 0..<1_500 {
            if random.oneIn(3) || boxes.isEmpty {
                let scale = random.pick([1, 1_000, 1_000_000, 100_000_000])
                let south = Self.degree(&random, 900_000_000)
                let west = Self.degree(&random, 1_800_000_000)
                let north = min(900_000_000, south + random.int(0...9) * scale)
                var east = west + random.int(0...9) * scale
                if east > 1_800_000_000 { east -= 3_600_000_000 }
                let box = Box(
                    south: Degrees7(south), west: Degrees7(west), north: Degrees7(north), east: Degrees7(east))
                boxes[step] = box
                index.insert(box, step)
            } else if random.oneIn(4) {
                let gone = random.pick(boxes.keys.sorted())
                let box = boxes.removeValue(forKey: gone)
                index.remove(try #require(box), gone)
            }
            // A place in or near some box.
            let near = random.pick(boxes.isEmpty ? [0] : boxes.keys.sorted())
            let corner = boxes[near]
            let latitude = Degrees7(
                random.oneIn(2) ? Int(corner?.north ?? 0) : Self.degree(&random, 900_000_000))
            let longitude = Degrees7(
                random.oneIn(2) ? Int(corner?.west ?? 0) : Self.degree(&random, 1_800_000_000))
            index.find(latitude: latitude, longitude: longitude, into: &candidates)
            let expected = Set(boxes.filter { $0.value.contains(latitude: latitude, longitude: longitude) }.keys)
            let found = Set(candidates.map { Int($0) })
            #expect(found.count == candidates.count, "seed \(seed), step \(step): each once")
            #expect(expected.isSubset(of: found), "seed \(seed), step \(step): \(latitude), \(longitude)")
            #expect(found.isSubset(of: boxes.keys), "seed \(seed), step \(step): only what is there")
            met += expected.count
        }
        #expect(met > 100)
        for (topic, box) in boxes { index.remove(box, topic) }
        #expect(index.isEmpty)
        index.find(latitude: 0, longitude: 0, into: &candidates)
        #expect(candidates.isEmpty)
    }

    @Test func `few boxes that are not around a place are looked at`() throws {
        var index = AreaIndex()
        var boxes = 0
        for row in 0..<60 {
            for column in 0..<60 {
                let south = Degrees7(row * 1_000_000)
                let west = Degrees7(column * 1_000_000)
                index.insert(Box(south: south, west: west, north: south + 999_999, east: west + 999_999), boxes)
                boxes += 1
            }
        }
        var candidates: [Int32] = []
        var looked = 0
        for step in 0..<100 {
            index.find(
                latitude: Degrees7(step * 599_999), longitude: Degrees7(step * 577_777), into: &candidates)
            looked += candidates.count
        }
        #expect(looked <= 100 * 9, "of \(boxes) boxes each time no more than the neighbours")
    }
}
