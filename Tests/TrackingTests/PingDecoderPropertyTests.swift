import Testing

@testable import Tracking

/// The decoder against what the document's author meant, and against a general parser.
@Suite struct PingDecoderPropertyTests {
    private static let documents = isLongRun ? 4_000 : 500

    @Test(arguments: 1...8)
    func `a well-formed document decodes to what its author meant`(seed: Int) throws {
        var batch = PingBatch()
        var agreement = DecoderAgreement()
        for number in 0..<Self.documents {
            var random = SeededGenerator(seed: UInt64(seed * 1_000_000 + number))
            let document = PingDocument(&random)
            let text = "seed \(seed), document \(number): \(String(decoding: document.bytes, as: UTF8.self))"
            try PingDecoder.decode(document.bytes.span, into: &batch, maximumPings: 1_000, allowsEnvelope: true)
            try #require(batch.pings.count == document.pings.count, "\(text)")
            for (decoded, expected) in zip(batch.pings, document.pings) {
                let difference = expected.difference(from: decoded)
                try #require(difference == nil, "\(text)")
            }
            let difference = agreement.difference(on: document.bytes, maximumPings: 1_000, allowsEnvelope: true)
            try #require(difference == nil, "\(text)")
        }
    }

    @Test(arguments: 1...8)
    func `a damaged document is judged as a general parser judges it`(seed: Int) throws {
        var agreement = DecoderAgreement()
        for number in 0..<(4 * Self.documents) {
            var random = SeededGenerator(seed: UInt64(seed * 1_000_000 + number) | 1 << 40)
            let document = PingDocument(&random).damaged(&random)
            let difference = agreement.difference(
                on: document, maximumPings: random.pick([1, 3, 1_000]), allowsEnvelope: random.oneIn(2))
            try #require(
                difference == nil, "seed \(seed), document \(number): \(String(decoding: document, as: UTF8.self))")
        }
    }
}
