/// The ownership rule for libuv handles, in one place.
///
/// A handle's memory is allocated here; its `data` slot holds a retained reference to the Swift object, so the object
/// lives at least as long as libuv may call back. `close()` asks libuv to let go; libuv's close callback then releases
/// that reference and frees the memory. That is the only way either goes away, hence every `Unmanaged` below is sound.
package import CUV

/// Owner of one libuv handle.
public class LoopHandle {
    /// The start of the C handle; every libuv handle type begins with a `uv_handle_t`.
    package let base: UnsafeMutablePointer<uv_handle_t>
    /// True until `close()`.
    public private(set) var isOpen = true

    package init<Handle>(_: Handle.Type, _ start: (UnsafeMutablePointer<Handle>) -> Int32) {
        let (base, status) = Self.make(start)
        precondition(status == 0, "cannot start a \(Handle.self): \(EventLoopError(code: status))")
        self.base = base
        retainSelf()
    }

    /// For handles whose start may fail for reasons of the outside, such as a descriptor that cannot be polled.
    package init<Handle>(
        _: Handle.Type, throwing start: (UnsafeMutablePointer<Handle>) -> Int32
    ) throws(EventLoopError) {
        let (base, status) = Self.make(start)
        if status != 0 {
            UnsafeMutableRawPointer(base).deallocate()
            throw EventLoopError(code: status)
        }
        self.base = base
        retainSelf()
    }

    private static func make<Handle>(
        _ start: (UnsafeMutablePointer<Handle>) -> Int32
    ) -> (UnsafeMutablePointer<uv_handle_t>, Int32) {
        let handle = UnsafeMutablePointer<Handle>.allocate(capacity: 1)
        let status = start(handle)
        return (UnsafeMutableRawPointer(handle).assumingMemoryBound(to: uv_handle_t.self), status)
    }

    /// The handle as the C type that this object was made with.
    package func handle<Handle>(as type: Handle.Type) -> UnsafeMutablePointer<Handle> {
        UnsafeMutableRawPointer(base).assumingMemoryBound(to: type)
    }

    private func retainSelf() {
        base.pointee.data = Unmanaged<AnyObject>.passRetained(self).toOpaque()
    }

    /// Ends the handle: no callback comes after this. Idempotent.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        uv_close(base) { closed in
            guard let closed else { return }
            let owner = Unmanaged<AnyObject>.fromOpaque(closed.pointee.data)
            closed.pointee.data = nil
            owner.release()
            UnsafeMutableRawPointer(closed).deallocate()
        }
    }

    /// Lets the loop end while this handle is still open.
    package func unreference() {
        uv_unref(base)
    }
}

/// The Swift object behind a handle that libuv hands to a callback.
@inline(__always)
package func loopOwner<Owner: AnyObject>(_ data: UnsafeMutableRawPointer?, as type: Owner.Type) -> Owner {
    // Set by `LoopHandle.init` and cleared only after the last callback, so never nil here.
    Unmanaged<Owner>.fromOpaque(data!).takeUnretainedValue()
}
