/// What waits in the backlog lane: a frame or a request of one device, as the bytes that it sent.
import Tracking

/// One of them. Lives on the loop's thread.
final class BacklogEntry {
    /// Why it was not judged, or not all of it: it is to be sent again.
    enum Refusal {
        /// For a reason that passes.
        case unavailable(String)
        /// Its sender has sent too much.
        case rate(RateLimits.Standing)
    }

    let driver: DriverIndex
    let id: DriverID
    /// What its bytes count for in the lane's memory.
    let byteCount: Int
    let allowance: RateLimits.PingAllowance?
    /// Whether it waits until its sender's allowance has enough for it. Otherwise, as a request's client does not wait for
    /// minutes, it is refused where there is not.
    let waitsForAllowance: Bool
    /// Fills the pipeline's batch. False where it is no batch of pings, which the sender has heard then. Called once or
    /// twice.
    let decode: () -> Bool
    /// All of it was judged, at that instant: the pipeline has the batch and what came of it.
    let judged: (Microseconds) -> Void
    /// It was refused; what was judged of it stays so.
    let refused: (Refusal) -> Void
    /// It is over, however it ended: what was kept for it can go.
    let ended: () -> Void

    /// Pings in it, once it was decoded.
    var count = 0
    /// The ping that was judged before the others, because it is the device's newest; -1 for none.
    var first = -1
    /// Those before it were judged.
    var next = 0
    /// What has come of it so far.
    var outcome = BatchOutcome()
    /// Not before this instant is it its turn: its sender has sent too much. Wall time.
    var notBefore: Microseconds = 0
    /// Whether it was judged, refused or given up.
    var isOver = false

    init(
        driver: DriverIndex, id: DriverID, byteCount: Int, allowance: RateLimits.PingAllowance?,
        waitsForAllowance: Bool,
        decode: @escaping () -> Bool, judged: @escaping (Microseconds) -> Void, refused: @escaping (Refusal) -> Void,
        ended: @escaping () -> Void = {}
    ) {
        self.driver = driver
        self.id = id
        self.byteCount = byteCount
        self.allowance = allowance
        self.waitsForAllowance = waitsForAllowance
        self.decode = decode
        self.judged = judged
        self.refused = refused
        self.ended = ended
    }

    var sender: Sender { .device(driver, id) }

    /// What its pings are taken from as they are judged; nil where they have been.
    var spareAllowance: RateLimits.PingAllowance? { waitsForAllowance ? allowance : nil }
}
