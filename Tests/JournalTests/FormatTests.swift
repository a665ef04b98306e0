// The bytes of version 1, against values that were made elsewhere.

import Testing

@testable import Journal

@Suite struct `The format, version 1` {
    private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    // The expected bytes were made by another program from the description in SegmentFormat.swift. They never change.

    @Test func `of a segment's header stays as it is`() throws {
        let header = SegmentHeader(
            firstLSN: 101, epoch: 0x1122_3344_5566_7788, previousEpoch: 0x99AA_BBCC_DDEE_FF00, previousLastLSN: 100,
            createdAt: 1_760_000_000_000_000, segmentBytes: 16 << 20)
        let bytes = header.encoded()
        #expect(
            hexadecimal(bytes)
                == "44524f5645524a4c010000000403020165000000000000008877665544332211"
                + "00ffeeddccbbaa9964000000000000000000ceeeb5400600000000012162092b")
        #expect(try bytes.withUnsafeBytes { try SegmentHeader(decoding: $0) } == header)
    }

    @Test func `of a group stays as it is`() throws {
        let group = GroupBuffer(capacity: 1024)
        group.append(Array("hi".utf8).span, lsn: 101)
        group.append(Array("there".utf8).span, lsn: 102)
        var bytes: [UInt8] = []
        group.withEncoded(epoch: 0x1122_3344_5566_7788) { bytes = Array($0) }
        #expect(
            hexadecimal(bytes)
                == "444752500f000000020000002e9e7c1a65000000000000008877665544332211"
                + "02000000686905000000746865726500")
        let header = bytes.withUnsafeBytes { GroupHeader(decoding: $0, at: 0, epoch: 0x1122_3344_5566_7788) }
        #expect(header == GroupHeader(payloadBytes: 15, count: 2, firstLSN: 101))
    }

    @Test func `of a file's name sorts as its numbers do`() {
        #expect(FileNames.segment(7) == "00000000000000000007.segment")
        #expect(FileNames.segmentLSN(FileNames.segment(.max)) == .max)
        for name in ["7.segment", "0000000000000000007a.segment", "00000000000000000007.segment.corrupt", "state"] {
            #expect(FileNames.segmentLSN(name) == nil)
        }
    }
}

@Suite struct `The checksum` {
    @Test func `is CRC-32C`() {
        // The check value of the catalogue of parametrised CRC algorithms, and RFC 3720, B.4.
        for (bytes, expected) in [
            (Array("123456789".utf8), 0xE306_9283), ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
            ([UInt8](repeating: 0xFF, count: 32), 0x62A8_AB43), ([], 0),
        ] as [([UInt8], UInt32)] {
            var checksum = Checksum()
            bytes.withUnsafeBytes { checksum.add($0) }
            #expect(checksum.value == expected)
        }
    }

    @Test func `is the same with and without the processor's instruction`() {
        for length in 0...300 {
            let bytes = recordBytes(UInt64(length), length: length)
            var fast = Checksum()
            var plain = Checksum()
            bytes.withUnsafeBytes { fast.add($0) }
            bytes.withUnsafeBytes { plain.addByTables($0) }
            #expect(fast.value == plain.value, "\(length) bytes")
        }
    }

    @Test func `does not depend on how the bytes are cut`() {
        let bytes = recordBytes(9, length: 100)
        var whole = Checksum()
        bytes.withUnsafeBytes { whole.add($0) }
        for cut in 0...100 {
            var parts = Checksum()
            bytes.withUnsafeBytes { all in
                parts.add(UnsafeRawBufferPointer(rebasing: all[..<cut]))
                parts.add(UnsafeRawBufferPointer(rebasing: all[cut...]))
            }
            #expect(parts.value == whole.value)
        }
    }
}
