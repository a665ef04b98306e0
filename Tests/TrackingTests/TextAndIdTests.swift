import Testing

@testable import Tracking

/// A `Span` cannot pass through the macros of a test.
private func shortText(_ bytes: [UInt8]) -> ShortText? { ShortText(bytes.span) }

@Suite struct ShortTextTests {
    @Test(arguments: ["", "a", "ä€😀", String(repeating: "x", count: 64), "a\u{0}b"])
    func `a text of up to 64 bytes is held as it is`(text: String) throws {
        let short = try #require(ShortText(text))
        #expect(short.string == text && short.count == text.utf8.count && short.isEmpty == text.isEmpty)
        #expect(shortText(Array(text.utf8)) == short)
        #expect(try #require(ShortText(text)).hashValue == short.hashValue)
    }

    @Test func `a longer text is refused, not cut`() {
        #expect(ShortText(String(repeating: "x", count: 65)) == nil)
        #expect(shortText(Array(repeating: UInt8(ascii: "x"), count: 65)) == nil)
        var text = ShortText()
        var fits = true
        for _ in 0..<64 { fits = text.append(7) && fits }
        #expect(fits)
        let full = text
        fits = text.append(8)
        #expect(!fits)
        #expect(text == full && text.count == 64)
    }

    @Test func `texts are equal where every byte is, and only then`() throws {
        let text = try #require(ShortText("abc"))
        for other in ["", "ab", "abd", "abcd", "abc\u{0}", "Abc"] { #expect(text != (try #require(ShortText(other)))) }
    }
}

@Suite struct DriverIDTests {
    @Test(arguments: [
        "a", "Z", "0", "_", ".", ":", "-", "5c2a8c9e-7a0b-4d1e-9f00-0123456789ab", String(repeating: "v", count: 64),
    ])
    func `an id is 1 to 64 characters of its alphabet`(text: String) throws {
        #expect(try #require(DriverID(text)).string == text)
    }

    @Test func `every other character is refused wherever it stands`() throws {
        let allowed = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-".utf8)
        for byte in UInt8.min...UInt8.max {
            for place in 0...2 {
                var bytes = Array("vvv".utf8)
                bytes[place] = byte
                let text = try #require(shortText(bytes))
                #expect((DriverID(text) != nil) == allowed.contains(byte))
            }
        }
        #expect(DriverID("") == nil && DriverID(String(repeating: "v", count: 65)) == nil)
    }
}

@Suite struct DriverTableTests {
    @Test(arguments: [0, 1, 0xFFFF_FFFF_FFFF_FFFF] as [UInt64])
    func `ten thousand ids keep their numbers while the table grows`(seed: UInt64) throws {
        var table = DriverTable(seed: seed)
        let ids = try (0..<10_000).map { index in
            // Alike at the start, at the end, and very short.
            try #require(DriverID(index % 3 == 0 ? "\(index)" : index % 3 == 1 ? "driver:\(index)" : "\(index).van"))
        }
        for (index, id) in ids.enumerated() {
            #expect(table.index(of: id) == nil)
            let number = table.add(id)
            #expect(number == index)
        }
        #expect(table.count == 10_000)
        for (index, id) in ids.enumerated() {
            #expect(table.index(of: id) == index && table.id(of: index) == id)
        }
        #expect(table.index(of: try #require(DriverID("driver:0"))) == nil)
    }

    @Test func `an id has one number`() async {
        await #expect(processExitsWith: .failure) {
            var table = DriverTable(seed: 1)
            _ = table.add(DriverID("a")!)
            _ = table.add(DriverID("a")!)
        }
    }
}
