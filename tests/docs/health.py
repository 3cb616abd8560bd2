from django.http import JsonResponse

from rest_channels.cluster.counts import counts


def cluster_health(request):
    names = ("missed", "undelivered", "outages", "unreadable")
    return JsonResponse({name: getattr(counts, name) for name in names})
