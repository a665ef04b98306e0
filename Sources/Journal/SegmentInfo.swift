// What is known of each segment file while the journal is open.

/// One segment of the catalogue.
struct SegmentInfo: Equatable, Sendable {
    var firstLSN: UInt64
    /// `firstLSN - 1` where it holds no record yet.
    var lastLSN: UInt64
    var epoch: UInt64
    /// Bytes the file takes.
    var bytes: Int

    var name: String { FileNames.segment(firstLSN) }
    var isEmpty: Bool { lastLSN < firstLSN }
}

/// The segments, oldest first, and the ranges between them whose loss the operator accepted.
struct SegmentCatalog: Sendable {
    var segments: [SegmentInfo] = []
    var lost: [ClosedRange<UInt64>] = []

    var bytes: Int { segments.reduce(0) { $0 + $1.bytes } }

    /// The segment that holds `lsn`, or will once it is written.
    func segment(containing lsn: UInt64) -> SegmentInfo? { segments.last { $0.firstLSN <= lsn } }

    /// `lsn`, or the first LSN behind the lost range it falls into.
    func skippingLost(_ lsn: UInt64) -> UInt64 { lost.first { $0.contains(lsn) }.map { $0.upperBound + 1 } ?? lsn }
}
