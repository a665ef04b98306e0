import Testing

@testable import Tracking

/// `precision_m`: what a customer sees of a position.
@Suite struct CoarseningTests {
    private static func position(_ latitude: Int, _ longitude: Int, accuracy: Float = 5) -> Position {
        Position(
            recordedAt: 1, receivedAt: 2, latitude: Degrees7(latitude), longitude: Degrees7(longitude),
            accuracy: accuracy, speed: 3, heading: 4)
    }

    private static func anywhere(_ random: inout SeededGenerator) -> Position {
        let latitude =
            random.oneIn(5) ? random.pick([-900_000_000, 900_000_000]) : random.int(-900_000_000...900_000_000)
        let longitude =
            random.oneIn(5) ? random.pick([-1_800_000_000, 1_800_000_000]) : random.int(-1_800_000_000...1_800_000_000)
        return position(latitude, longitude)
    }

    @Test(arguments: [1, 10, 100, 1_000, 10_000, 100_000] as [Int32])
    func `a coarse position is on the globe, near the true one, and says how coarse it is`(metres: Int32) {
        var random = SeededGenerator(seed: UInt64(metres))
        for _ in 0..<2_000 {
            let exact = Self.anywhere(&random)
            let coarse = exact.coarsened(to: metres)
            #expect(abs(coarse.latitude) <= 900_000_000 && abs(coarse.longitude) <= 1_800_000_000)
            let error = Distance.metres(exact.latitude, exact.longitude, coarse.latitude, coarse.longitude)
            // Half a cell's diagonal; towards the poles the cells of a row grow by what it spans.
            #expect(error <= Double(metres) + 0.02, "\(exact) → \(coarse): \(error)")
            #expect(coarse.accuracy == max(5, Float(metres)))
            #expect((coarse.recordedAt, coarse.speed, coarse.heading) == (1, 3, 4))
        }
    }

    @Test(arguments: [10, 100, 1_000, 100_000] as [Int32])
    func `all of a cell is shown at one place, and that place at itself`(metres: Int32) {
        var random = SeededGenerator(seed: UInt64(metres) + 1)
        for _ in 0..<2_000 {
            let coarse = Self.anywhere(&random).coarsened(to: metres)
            let again = coarse.coarsened(to: metres)
            #expect((again.latitude, again.longitude) == (coarse.latitude, coarse.longitude))
            // A few steps around the middle of a cell leave it where it is, but for cells that a pole or the antimeridian cuts.
            let reach = Int(metres) * 20
            let (latitude, longitude) = (Int(coarse.latitude), Int(coarse.longitude))
            guard abs(latitude) + 2 * reach < 850_000_000, abs(longitude) + 20 * reach < 1_790_000_000 else { continue }
            let near = Self.position(
                latitude + random.int(-reach...reach), longitude + random.int(-reach...reach)
            ).coarsened(to: metres)
            #expect((near.latitude, near.longitude) == (coarse.latitude, coarse.longitude), "\(coarse)")
        }
    }

    @Test func `standing still for a day among a phone's errors shows one or a few places`() {
        var random = SeededGenerator(seed: 3)
        var places: Set<[Degrees7]> = []
        for _ in 0..<5_000 {
            let coarse = Self.position(
                436_532_000 + random.int(-500...500), -793_832_000 + random.int(-500...500)
            ).coarsened(to: 1_000)
            places.insert([coarse.latitude, coarse.longitude])
        }
        #expect(places.count <= 4)
    }

    @Test func `without a precision a position is as it is, and a worse accuracy stays`() {
        let exact = Self.position(1, 2, accuracy: 150)
        #expect(exact.coarsened(to: 0) == exact)
        #expect(exact.coarsened(to: -5) == exact)
        #expect(exact.coarsened(to: 100).accuracy == 150)
    }
}
