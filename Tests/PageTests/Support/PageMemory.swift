// What a page holds on to after its garbage is gone: for tests of pages that stay open for long.

import Foundation
import Testing

/// Of one page, right after a garbage collection.
struct PageMemory: CustomStringConvertible {
    /// JavaScript's heap that is in use, in bytes.
    let heapBytes: Double
    /// Nodes of documents, those included that are in none any more but still held.
    let nodes: Int
    /// Listeners of events.
    let listeners: Int

    var description: String { "\(Int(heapBytes) / 1_024) KiB, \(nodes) nodes, \(listeners) listeners" }
}

extension Page {
    /// Collects the garbage, twice since what the first finds may let go of more, and tells what is left.
    func memory() throws -> PageMemory {
        try call("HeapProfiler.enable")
        for _ in 0..<2 { try call("HeapProfiler.collectGarbage") }
        let heap = try #require(try call("Runtime.getHeapUsage")["usedSize"] as? NSNumber)
        let counters = try call("Memory.getDOMCounters")
        return PageMemory(
            heapBytes: heap.doubleValue, nodes: try #require(counters["nodes"] as? Int),
            listeners: try #require(counters["jsEventListeners"] as? Int))
    }
}

/// Expects a page that has been open for long to hold no more than it did early on, but for what a browser's own caches
/// and the collector's moods come to: a leak of a few bytes a position would be far more.
func expectFlat(_ early: PageMemory, _ late: PageMemory, _ which: Comment) {
    #expect(late.heapBytes < early.heapBytes * 1.1 + 512 * 1_024, "\(early), then \(late): \(which)")
    #expect(late.nodes < early.nodes + 200, "\(early), then \(late): \(which)")
    #expect(late.listeners < early.listeners + 50, "\(early), then \(late): \(which)")
}
