/// Frames of one connection whose acknowledgement waits for backlog that arrived before them: an acknowledgement speaks for
/// everything up to it, in order of arrival, but a live frame is judged before the backlog.
import Tracking

/// Their list. Empty on nearly every connection.
struct HeldFrames {
    /// A ping that was not kept, while it is not clear yet which number it has on the connection.
    struct Rejection {
        /// The label that the device gave it.
        var sequence: Int64?
        /// Its place in the frame.
        var index: Int
        /// Its JSON behind the label.
        var rest: [UInt8]
    }

    /// A frame.
    struct Frame {
        /// What waits in the lane; nil where it was judged on arrival.
        var entry: BacklogEntry?
        var receivedAt: Microseconds
        var isJudged = false
        /// Pings in it.
        var count = 0
        /// The label of the last one.
        var lastSequence: Int64?
        var rejections: [Rejection] = []
    }

    private var frames: [Frame] = []
    private var firstNumber = 0
    /// Bytes of those that wait in the lane.
    private(set) var waitingBytes = 0

    var isEmpty: Bool { frames.isEmpty }

    /// The number that the next frame gets.
    var nextNumber: Int { firstNumber + frames.count }

    /// What waits in the lane, oldest first.
    var entries: [BacklogEntry] { frames.compactMap { $0.isJudged ? nil : $0.entry } }

    mutating func append(_ frame: Frame) {
        frames.append(frame)
        waitingBytes += frame.entry?.byteCount ?? 0
    }

    /// A frame from the lane was judged.
    mutating func judged(_ number: Int, count: Int, lastSequence: Int64?, rejections: [Rejection]) {
        let index = number - firstNumber
        guard frames.indices.contains(index), !frames[index].isJudged else { return }
        waitingBytes -= frames[index].entry?.byteCount ?? 0
        frames[index].entry = nil
        frames[index].isJudged = true
        frames[index].count = count
        frames[index].lastSequence = lastSequence
        frames[index].rejections = rejections
    }

    /// Takes the oldest out where it was judged.
    mutating func takeFirstJudged() -> Frame? {
        guard frames.first?.isJudged == true else { return nil }
        firstNumber += 1
        return frames.removeFirst()
    }
}
