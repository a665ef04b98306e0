/// What a batch of pings needs before it can be judged.
import Tracking

extension Gateway {
    /// Brings drivers of a batch into this process, with their shifts, and finds out whether its sender may name them;
    /// `then` hears whether that could be done.
    func load(_ drivers: [DriverID], of sender: Sender, then: @escaping (Bool) -> Void) {
        directory.refresh(drivers, within: Recency.life) { [self] in
            shifts.load(drivers) { areKnown in
                guard areKnown, case .backend(let scoped?) = sender else { return then(areKnown) }
                scoped.ask(drivers, then: then)
            }
        }
    }
}
