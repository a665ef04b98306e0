import Testing

@testable import Tracking

@Suite struct AreaGridTests {
    private static func place(_ random: inout SeededGenerator) -> (latitude: Degrees7, longitude: Degrees7) {
        (
            Degrees7(random.pick([random.int(-900_000_000...900_000_000), -900_000_000, 900_000_000, 0])),
            Degrees7(random.pick([random.int(-1_800_000_000...1_800_000_000), -1_800_000_000, 1_800_000_000, 0]))
        )
    }

    @Test(arguments: 1...4)
    func `a cell's name says which one it is`(seed: Int) throws {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<500 {
            let place = Self.place(&random)
            let level = random.int(0...AreaGrid.levels - 1)
            let cell = AreaGrid.cell(level, latitude: place.latitude, longitude: place.longitude)
            #expect(AreaGrid.level(of: cell) == level)
            #expect(AreaGrid.cell(named: AreaGrid.name(of: cell)) == cell, "seed \(seed): \(AreaGrid.name(of: cell))")
        }
        for name in ["", "1.2", "15.0.0", "0.0.x", "0.0.9", "0.9.0", "-1.0.0", "0.0.0.0", "14.99999.0"] {
            #expect(AreaGrid.cell(named: name) == nil, "\(name)")
        }
    }

    @Test(arguments: 1...4)
    func `every place in a box is in one of its cells, on its level and on coarser ones`(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        for _ in 0..<300 {
            let corner = Self.place(&random)
            let scale = random.pick([100, 100_000, 10_000_000, 500_000_000])
            let north = min(900_000_000, Int(corner.latitude) + random.int(0...scale))
            var east = Int(corner.longitude) + random.int(0...scale)
            if east > 1_800_000_000 { east -= 3_600_000_000 }
            let box = Box(
                south: corner.latitude, west: corner.longitude, north: Degrees7(north), east: Degrees7(east))
            for finest in [AreaGrid.levels - 1, 7, 0] {
                var cells: [UInt64] = []
                AreaGrid.forEachCell(of: box, finest: finest) { cells.append($0) }
                #expect(Set(cells).count == cells.count && cells.count <= 32, "each once, and few")
                let level = AreaGrid.level(of: cells[0])
                #expect(cells.allSatisfy { AreaGrid.level(of: $0) == level } && level <= finest)
                for latitude in [box.south, box.north] {
                    for longitude in [box.west, box.east] {
                        #expect(
                            cells.contains(AreaGrid.cell(level, latitude: latitude, longitude: longitude)),
                            "seed \(seed): \(box)")
                    }
                }
            }
        }
    }

    @Test(arguments: 1...4)
    func `a widened box holds everything within so many metres of the box`(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        var near = 0
        for _ in 0..<3_000 {
            let place = Self.place(&random)
            let metres = Double(random.pick([1, 500, 20_000, 2_000_000, 15_000_000]))
            let box = Box(latitude: place.latitude, longitude: place.longitude).widened(by: metres)
            #expect(box.contains(latitude: place.latitude, longitude: place.longitude))
            // Somewhere about as far away.
            let reach = min(1_799_999_999, Int(metres / 111_000 * 1e7) + 1)
            let latitude = max(-900_000_000, min(900_000_000, Int(place.latitude) + random.int(-reach...reach)))
            var longitude = Int(place.longitude) + random.int(-reach...reach) * random.int(1...3)
            while longitude > 1_800_000_000 { longitude -= 3_600_000_000 }
            while longitude < -1_800_000_000 { longitude += 3_600_000_000 }
            let distance = Distance.metres(
                place.latitude, place.longitude, Degrees7(latitude), Degrees7(longitude))
            guard distance <= metres else { continue }
            near += 1
            #expect(
                box.contains(latitude: Degrees7(latitude), longitude: Degrees7(longitude)),
                "seed \(seed): \(place), \(metres) m: \(latitude), \(longitude) is \(distance) m away")
        }
        #expect(near > 500)
        #expect(Box.globe.widened(by: 1_000) == Box.globe)
    }
}
