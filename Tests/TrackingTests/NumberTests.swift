import Foundation
import Testing

@testable import Tracking

@Suite struct JSONWriterTests {
    private func written(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter()
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    @Test(
        arguments: [
            (0, "0"), (7, "7"), (-7, "-7"), (.max, "9223372036854775807"), (.min, "-9223372036854775808"),
            (1_000, "1000"),
        ] as [(Int64, String)])
    func `an integer is written whole`(value: Int64, expected: String) {
        #expect(written { $0.integer(value) } == expected)
    }

    @Test(
        arguments: [
            (0, 7, "0"), (1, 7, "0.0000001"), (-1, 7, "-0.0000001"), (10_000_000, 7, "1"),
            (-436_532_000, 7, "-43.6532"),
            (1_800_000_000, 7, "180"), (5, 3, "0.005"), (-5_000, 3, "-5"), (123_450, 3, "123.45"), (100, 1, "10"),
            (.min, 7, "-922337203685.4775808"), (.max, 18, "9.223372036854775807"),
            (.min, 19, "-0.9223372036854775808"),
        ] as [(Int64, Int, String)])
    func `a fixed point number has no zeros at its end`(value: Int64, decimals: Int, expected: String) {
        #expect(written { $0.fixed(value, decimals: decimals) } == expected)
    }

    @Test(
        arguments: [
            (0, "0"), (-0.0, "0"), (8.3, "8.3"), (0.0004, "0"), (0.0005, "0.001"), (-0.0004, "0"), (-1.5, "-1.5"),
            (199.99998, "200"), (12.3456, "12.346"), (.greatestFiniteMagnitude, "1000000000000"),
            (-.greatestFiniteMagnitude, "-1000000000000"), (.infinity, "1000000000000"),
        ] as [(Float, String)])
    func `a measurement has three decimals at most, and none of any size makes it trap`(value: Float, expected: String)
    {
        #expect(written { $0.thousandths(value) } == expected)
    }

    @Test(arguments: ["", "plain", "a\"b\\c/", "\u{0}\u{1}\n\u{1F}\u{7F}", "ä€😀"])
    func `a text comes back from a general parser`(text: String) throws {
        let json = written { $0.string(text) }
        let value = try JSONSerialization.jsonObject(with: Data(json.utf8), options: [.fragmentsAllowed])
        #expect(value as? String == text)
    }
}

@Suite struct JSONNumberTests {
    private func number(_ text: String) throws -> JSONNumber {
        var scanner = JSONScanner()
        let bytes = Array(text.utf8)
        let number = try scanner.number(bytes.span)
        #expect(scanner.position == bytes.count)
        return number
    }

    /// Up to 2⁵³ and 22 powers of ten every operation is exact but the last, so the result must be the nearest.
    @Test func `a number of 15 digits is the nearest Double`() throws {
        var random = SeededGenerator(seed: 11)
        for _ in 0..<5_000 {
            let digits = random.int(0...999_999_999_999_999)
            let text = "\(random.pick(["", "-"]))\(digits)e\(random.int(-22...22))"
            #expect(try number(text).double == Double(text), "\(text)")
        }
    }

    @Test func `any other number is within a few units in the last place`() throws {
        var random = SeededGenerator(seed: 12)
        for _ in 0..<5_000 {
            let text = "\(random.next())\(random.next())e\(random.int(-320...280))"
            let exact = try #require(Double(text))
            let ours = try number(text).double
            // Below the smallest normal number, which no measurement reaches, a step is worth more.
            #expect(ours == exact || abs(ours - exact) <= max(abs(exact) * 0x1p-48, 0x1p-1060), "\(text): \(ours)")
        }
    }

    @Test(
        arguments: [
            ("0", 7, 0), ("-0", 7, 0), ("1", 0, 1), ("0.5", 0, 1), ("-0.5", 0, -1), ("0.4999999999999999999999", 0, 0),
            ("1.5", 0, 2), ("2.5", 0, 3), ("1e-19", 7, 0), ("9999999999999999999e-19", 0, 1), ("1e-100000", 7, 0),
            ("1e100000", 7, 1 << 60), ("-1e100000", 7, -(1 << 60)), ("1152921504606846975", 0, (1 << 60) - 1),
            ("9999999999999999999999", 0, 1 << 60), ("1e99999999999999999999999", 0, 1 << 60),
            ("1e-99999999999999999999999", 0, 0), ("12345678901234567890123e-16", 0, 1_234_568),
        ] as [(String, Int, Int64)])
    func `fixed point rounds half away from zero and saturates`(text: String, scale: Int, expected: Int64) throws {
        #expect(try number(text).scaled(by: scale) == expected)
    }
}

@Suite struct DistanceTests {
    /// Degrees of two places and the metres between them on a sphere of the mean radius.
    @Test(
        arguments: [
            (0, 0, 0, 0, 0), (0, 0, 1, 0, 111_195.08), (0, 0, 0, 1, 111_195.08), (0, 179.5, 0, -179.5, 111_195.08),
            (90, 0, 90, 123, 0), (-90, 10, 90, -170, 20_015_114.44), (0, 0, 0, 180, 20_015_114.44),
            (0, -180, 0, 180, 0),
            // Paris to London, Toronto to Sydney: from the angle between the two vectors, atan2(|a × b|, a · b).
            (48.8566, 2.3522, 51.5074, -0.1278, 343556.53), (43.6532, -79.3832, -33.8688, 151.2093, 15567623),
            (60, 0, 60, 1, 55_597.01),
        ] as [(Double, Double, Double, Double, Double)])
    func `known distances`(latitudeA: Double, longitudeA: Double, latitudeB: Double, longitudeB: Double, metres: Double)
    {
        func units(_ degrees: Double) -> Degrees7 { Degrees7((degrees * 1e7).rounded()) }
        let there = Distance.metres(units(latitudeA), units(longitudeA), units(latitudeB), units(longitudeB))
        let back = Distance.metres(units(latitudeB), units(longitudeB), units(latitudeA), units(longitudeA))
        #expect(abs(there - metres) <= max(0.02, metres * 1e-7), "\(there)")
        #expect(abs(there - back) < 1e-6)
    }

    @Test func `no two places are farther apart than the bound, and none is not a number`() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<20_000 {
            var places: [(Degrees7, Degrees7)] = []
            for _ in 0..<2 {
                let latitude =
                    random.oneIn(8)
                    ? random.pick([-900_000_000, 0, 900_000_000]) : random.int(-900_000_000...900_000_000)
                let longitude =
                    random.oneIn(8)
                    ? random.pick([-1_800_000_000, 0, 1_800_000_000]) : random.int(-1_800_000_000...1_800_000_000)
                places.append((Degrees7(latitude), Degrees7(longitude)))
            }
            if random.oneIn(2) {
                places[1].0 = max(-900_000_000, places[0].0 - 1_000); places[1].1 = places[0].1 / 2 * 2
            }
            let exact = Distance.metres(places[0].0, places[0].1, places[1].0, places[1].1)
            let bound = Distance.upperBound(places[0].0, places[0].1, places[1].0, places[1].1)
            #expect(exact >= 0 && exact <= bound * (1 + 1e-9) + 1e-6 && exact <= 20_015_115, "\(places)")
        }
    }
}
